//! Signed requests over real sockets through a whole gate: endpoints get listeners when they are
//! made, and what a request meets there depends on how it came.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use common::{connect, exchange, one, rest, status};
use http::{HeaderMap, HeaderName, HeaderValue};
use sagegate_gate::audit::{self, Journal};
use sagegate_gate::session::{MAX_TOKEN, TemporaryCredentials, issue_padded};
use sagegate_gate::{
    AccountId, Env, Gate, HttpRequest, Parts, Principal, Region, Scope, Secret, SessionFacts,
    Unsigned, Vault,
};
use sagegate_network::Places;
use sagegate_server::{
    Answer, BoxFuture, Control, Follower, HttpResponse, Limits, Server, ServerParts,
    has_loopback_range, places_here,
};
use sagegate_services::ec2;
use sagegate_services::iam::IamDirectory;
use sagegate_services::iam::credentials::{self, Credential, Maker};
use sagegate_store::{Record, Store, Table, Tx};
use sagegate_wire::sigv4::{Head, PayloadHash, SecretKey, SignScope, Timestamp, sign};
use tokio::io::AsyncWriteExt;

struct Notes(Arc<Gate>);

impl Control for Notes {
    fn reset<'a>(&'a self, _: &'a HttpRequest) -> Option<BoxFuture<'a, Result<(), String>>> {
        None
    }

    fn note(&self, answered: Unsigned) {
        self.0.note_unsigned(answered);
    }
}

struct House {
    gate: Arc<Gate>,
    server: Arc<Server>,
    public: SocketAddr,
    root: Credential,
}

impl House {
    async fn open() -> Self {
        Self::open_at(places_here).await
    }

    /// One whose addresses of the state are at these places, by the public port.
    async fn open_at(places: fn(u16) -> Places) -> Self {
        let env = Env::system();
        let vault = Vault::ephemeral(&env);
        let region = Region::parse("us-west-2").unwrap();
        let gate = Arc::new(Gate::new(Parts {
            store: Store::memory(),
            registry: sagegate_services::registry(),
            directory: Arc::new(IamDirectory::new(vault.clone(), region.clone())),
            endpoints: Arc::new(ec2::Endpoints::default()),
            env: env.clone(),
            vault,
            journal: Journal::memory().unwrap(),
            region: region.clone(),
        }));
        let door = |_| -> Answer<'static> {
            Box::pin(async { HttpResponse::new(bytes::Bytes::from_static(b"the door")).into() })
        };
        let server = Arc::new(Server::new(ServerParts {
            limits: Limits::default(),
            api: Arc::clone(&gate) as _,
            door: Arc::new(door),
            channel: Arc::new(door),
            control: Arc::new(Notes(Arc::clone(&gate))),
            request_ids: Arc::new(move || env.uuid()),
        }));
        let listener = Server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let public = listener.local_addr().unwrap();
        let places = places(public.port());
        gate.follow(Follower::reactions(Arc::clone(&server), places));
        let account = AccountId::parse("123456789012").unwrap();
        let root = gate
            .transact(|tx| {
                let maker = Maker { env: gate.env(), vault: gate.vault(), now: gate.env().now() };
                let root = credentials::bootstrap(tx, maker, &account, None)?;
                let scope = Scope { account: account.clone(), region: region.clone() };
                ec2::bootstrap(tx, &scope)?;
                Ok(root.expect("the root user's key"))
            })
            .await
            .unwrap();
        server.serve(listener).await;
        Self { gate, server, public, root }
    }

    /// A signed request of the query protocol, as bytes.
    fn query(&self, to: SocketAddr, service: &str, body: &str) -> Vec<u8> {
        let Credential { access_key_id, secret, .. } = &self.root;
        self.query_with((access_key_id, secret, None), to, service, body)
    }

    /// As [`House::query`], with other credentials: access key id, secret and session token.
    fn query_with(
        &self,
        (access_key_id, secret, token): (&str, &Secret, Option<&str>),
        to: SocketAddr,
        service: &str,
        body: &str,
    ) -> Vec<u8> {
        let at =
            Timestamp::from_unix_millis(self.gate.env().signature_clock.now().millis()).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", to.to_string()),
            ("x-amz-date", at.basic().to_owned()),
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8".to_owned()),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::try_from(value).unwrap());
        }
        if let Some(token) = token {
            headers.insert("x-amz-security-token", HeaderValue::try_from(token).unwrap());
        }
        let head = Head { method: "POST", path: "/", query: "", headers: &headers };
        let secret = SecretKey::new(secret.reveal().to_owned());
        let scope = SignScope { access_key_id, region: "us-west-2", service, at };
        let authorization = sign(&head, PayloadHash::of(body.as_bytes()), &secret, &scope);
        let mut text = "POST / HTTP/1.1\r\n".to_owned();
        for (name, value) in &headers {
            text += &format!("{name}: {}\r\n", value.to_str().unwrap());
        }
        let length = body.len();
        text += &format!("authorization: {authorization}\r\ncontent-length: {length}\r\n\r\n");
        (text + body).into_bytes()
    }

    async fn ask(&self, to: SocketAddr, service: &str, body: &str) -> String {
        let mut stream = connect(to).await;
        stream.write_all(&self.query(to, service, body)).await.unwrap();
        one(&mut stream).await
    }

    /// The record of a request that was not a write.
    fn record(&self, id: &str) -> audit::Record {
        self.gate.journal().find(1, &mut |it| it.request_id == id).unwrap().pop().expect(id)
    }

    async fn ec2(&self, body: &str) -> String {
        let answer = self.ask(self.public, "ec2", &format!("{body}&Version=2016-11-15")).await;
        assert_eq!(status(&answer), "200", "{answer}");
        answer
    }
}

impl House {
    /// An endpoint for STS in a VPC of its own: the address of its listener.
    async fn endpoint(&self) -> SocketAddr {
        let vpc = element(&self.ec2("Action=CreateVpc&CidrBlock=10.9.0.0%2F16").await, "vpcId");
        let subnet = format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.9.1.0%2F24");
        let subnet = element(&self.ec2(&subnet).await, "subnetId");
        self.ec2(&format!(
            "Action=CreateVpcEndpoint&VpcEndpointType=Interface&VpcId={vpc}&SubnetId.1={subnet}\
             &ServiceName=com.amazonaws.us-west-2.sts&PrivateDnsEnabled=false"
        ))
        .await;
        let state = self.gate.store().snapshot().unwrap();
        let listeners = ec2::listeners(&state).unwrap();
        SocketAddr::from((listeners.first().unwrap().addr, self.public.port()))
    }
}

/// The text of the first element of this name.
fn element(xml: &str, name: &str) -> String {
    let start = xml.split_once(&format!("<{name}>")).expect(name).1;
    start.split_once('<').unwrap().0.to_owned()
}

const WHO: &str = "Action=GetCallerIdentity&Version=2011-06-15";

#[tokio::test]
async fn a_signature_over_the_wire() {
    let house = House::open().await;
    let answer = house.ask(house.public, "sts", WHO).await;
    assert!(answer.contains("arn:aws:iam::123456789012:root"), "{answer}");
    let id = element(&answer, "RequestId");
    assert!(answer.contains(&format!("x-amzn-requestid: {id}\r\n")), "{answer}");

    let good = String::from_utf8(house.query(house.public, "sts", WHO)).unwrap();
    let bad = good.replace("GetCallerIdentity", "GetCallerIdentitY");
    let mut stream = connect(house.public).await;
    stream.write_all(bad.as_bytes()).await.unwrap();
    let answer = one(&mut stream).await;
    assert_eq!((status(&answer), &*element(&answer, "Code")), ("403", "SignatureDoesNotMatch"));

    let unsigned = good.replace("authorization:", "x-was:");
    let mut stream = connect(house.public).await;
    stream.write_all(unsigned.as_bytes()).await.unwrap();
    let answer = one(&mut stream).await;
    assert_eq!(
        (status(&answer), &*element(&answer, "Code")),
        ("403", "MissingAuthenticationToken")
    );
}

#[tokio::test]
async fn an_endpoint_listens_from_its_creation_to_its_deletion() {
    if !has_loopback_range() {
        return;
    }
    let house = House::open().await;
    let vpc = element(&house.ec2("Action=CreateVpc&CidrBlock=10.9.0.0%2F16").await, "vpcId");
    let subnet = format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.9.1.0%2F24");
    let subnet = element(&house.ec2(&subnet).await, "subnetId");
    let create = format!(
        "Action=CreateVpcEndpoint&VpcEndpointType=Interface&VpcId={vpc}&SubnetId.1={subnet}\
         &ServiceName=com.amazonaws.us-west-2.sts&PrivateDnsEnabled=false"
    );
    let answer = house.ec2(&create).await;
    let endpoint = element(&answer, "vpcEndpointId");

    // Its listener is bound when the answer is here.
    let state = house.gate.store().snapshot().unwrap();
    let listeners = ec2::listeners(&state).unwrap();
    assert_eq!(listeners.len(), 1, "{listeners:?}");
    let listener = listeners.into_iter().next().unwrap();
    let address = SocketAddr::from((listener.addr, house.public.port()));
    let answer = house.ask(address, "sts", WHO).await;
    assert!(answer.contains("arn:aws:iam::123456789012:root"), "{answer}");
    let described = house.ec2("Action=DescribeVpcEndpoints").await;
    assert_eq!(element(&described, "state"), "available");

    // What is not behind it is not served there.
    let answer = house.ask(address, "ec2", "Action=DescribeVpcs&Version=2016-11-15").await;
    assert_ne!(status(&answer), "200", "{answer}");

    // The rule that lets the client in goes away, and the open connection with it.
    let mut open = connect(address).await;
    open.write_all(&house.query(address, "sts", WHO)).await.unwrap();
    assert_eq!(status(&one(&mut open).await), "200");
    let groups =
        format!("Action=DescribeSecurityGroups&Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}");
    let group = element(&house.ec2(&groups).await, "groupId");
    let rule = format!(
        "GroupId={group}&IpPermissions.1.IpProtocol=-1&IpPermissions.1.Groups.1.GroupId={group}"
    );
    house.ec2(&format!("Action=RevokeSecurityGroupIngress&{rule}")).await;
    assert_eq!(rest(&mut open).await, "");
    assert_eq!(exchange(address, &house.query(address, "sts", WHO)).await, "");
    house.ec2(&format!("Action=AuthorizeSecurityGroupIngress&{rule}")).await;
    assert_eq!(status(&house.ask(address, "sts", WHO).await), "200");

    house.ec2(&format!("Action=DeleteVpcEndpoints&VpcEndpointId.1={endpoint}")).await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    assert!(house.server.stop().await);
}

#[tokio::test]
async fn an_address_that_cannot_be_bound_fails_its_endpoint() {
    if !has_loopback_range() {
        return;
    }
    let house = House::open().await;
    let vpc = element(&house.ec2("Action=CreateVpc&CidrBlock=10.9.0.0%2F16").await, "vpcId");
    let subnet = format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.9.1.0%2F24");
    let subnet = element(&house.ec2(&subnet).await, "subnetId");
    // The address that a first endpoint gets.
    let taken = std::net::TcpListener::bind(("127.65.0.1", house.public.port())).unwrap();
    let create = format!(
        "Action=CreateVpcEndpoint&VpcEndpointType=Interface&VpcId={vpc}&SubnetId.1={subnet}\
         &ServiceName=com.amazonaws.us-west-2.sts&PrivateDnsEnabled=false"
    );
    house.ec2(&create).await;
    let described = house.ec2("Action=DescribeVpcEndpoints").await;
    assert_eq!(element(&described, "state"), "failed", "{described}");
    assert!(described.contains("cannot listen on 127.65.0.1:"), "{described}");

    // It is tried again without a write.
    drop(taken);
    house.gate.catch_up().await;
    let described = house.ec2("Action=DescribeVpcEndpoints").await;
    assert_eq!(element(&described, "state"), "available", "{described}");
}

#[tokio::test]
async fn the_longest_token_that_may_be_issued_is_taken() {
    let house = House::open().await;
    let account = AccountId::parse("123456789012").unwrap();
    let env = house.gate.env();
    let issue = |minimum| {
        let facts = SessionFacts {
            issued: env.now(),
            expires: env.now().plus_seconds(900),
            ..SessionFacts::default()
        };
        issue_padded(house.gate.vault(), env, &account, Principal::Root, facts, minimum)
    };
    // Padding is for a length of at least so much; this finds what comes to the longest.
    let longest = (MAX_TOKEN - 64..MAX_TOKEN).map(issue).find(|it| {
        let length = it.token.reveal().len();
        length == MAX_TOKEN
    });
    let ask = async |it: &TemporaryCredentials| {
        let with = (&*it.access_key_id, &it.secret, Some(it.token.reveal()));
        let mut stream = connect(house.public).await;
        stream.write_all(&house.query_with(with, house.public, "sts", WHO)).await.unwrap();
        one(&mut stream).await
    };
    let answer = ask(&longest.unwrap()).await;
    assert!(answer.contains("arn:aws:iam::123456789012:root"), "{answer}");
    let answer = ask(&issue(MAX_TOKEN + 1)).await;
    assert_eq!(element(&answer, "Code"), "IncompleteSignature");
}

#[tokio::test]
async fn endpoints_that_cannot_be_read_are_closed() {
    if !has_loopback_range() {
        return;
    }
    // A number where an endpoint should be.
    const BROKEN: Table<(String, String, String), u64> = Table::new("ec2.vpc-endpoint");
    let house = House::open().await;
    let made = house.endpoint().await;
    assert!(house.ask(made, "sts", WHO).await.contains("arn:aws:iam::123456789012:root"));
    let key = ("123456789012", "us-west-2", "vpce-00000000000000000");
    assert_eq!(ec2::endpoint::LISTENER_TABLES[0], BROKEN.name());
    house.gate.transact(|tx| Ok(BROKEN.put(tx, &key, &1)?)).await.unwrap();
    assert!(tokio::net::TcpStream::connect(made).await.is_err());
    let remove = |tx: &mut Tx| {
        BROKEN.delete(tx, &key);
        Ok(())
    };
    house.gate.transact(remove).await.unwrap();
    assert!(house.ask(made, "sts", WHO).await.contains("arn:aws:iam::123456789012:root"));
}

/// The record of the loopback address that was given to an endpoint last.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Given {
    address: Ipv4Addr,
    account: String,
    region: String,
    endpoint: String,
    subnet: String,
}

impl Record for Given {}

const LAST_GIVEN: Table<String, Given> = Table::new("ec2.loopback-last");

#[tokio::test]
async fn of_two_endpoints_with_one_socket_the_first_keeps_it() {
    // As on machines that have 127.0.0.1 alone.
    let house = House::open_at(|port| Places { port, range: false }).await;
    let places = Places { port: house.public.port(), range: false };
    let vpc = element(&house.ec2("Action=CreateVpc&CidrBlock=10.9.0.0%2F16").await, "vpcId");
    let subnet = format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.9.1.0%2F24");
    let subnet = element(&house.ec2(&subnet).await, "subnetId");
    let create = format!(
        "Action=CreateVpcEndpoint&VpcEndpointType=Interface&VpcId={vpc}&SubnetId.1={subnet}\
         &ServiceName=com.amazonaws.us-west-2.sts&PrivateDnsEnabled=false"
    );
    // An endpoint at this address: the next one after `127.65.<third>.<fourth - 1>`.
    let make = async |third, fourth: u8| {
        let last = Given {
            address: Ipv4Addr::new(127, 65, third, fourth - 1),
            account: String::new(),
            region: String::new(),
            endpoint: String::new(),
            subnet: String::new(),
        };
        house.gate.transact(|tx| Ok(LAST_GIVEN.put(tx, "last", &last)?)).await.unwrap();
        element(&house.ec2(&create).await, "vpcEndpointId")
    };
    let state = async |id: &str| {
        let described = format!("Action=DescribeVpcEndpoints&VpcEndpointId.1={id}");
        element(&house.ec2(&described).await, "state")
    };
    // Whether a port is free is the machine's affair, not this test's.
    let free = |last: &u8| {
        std::net::TcpListener::bind(places.socket(Ipv4Addr::new(127, 65, 1, *last))).is_ok()
    };
    let at = (2..255).find(free).unwrap();
    let socket = places.socket(Ipv4Addr::new(127, 65, 1, at));
    assert_eq!(socket, places.socket(Ipv4Addr::new(127, 65, 65, at)));
    let first = make(1, at).await;
    assert_eq!(state(&first).await, "available");
    // Ids are random: of several, some come before the first in the order of the state.
    let mut others = Vec::new();
    for third in [65, 129, 193] {
        others.push(make(third, at).await);
    }
    for _ in 0..2 {
        assert_eq!(state(&first).await, "available");
        for other in &others {
            assert_eq!(state(other).await, "failed");
        }
        let answer = house.ask(socket, "sts", WHO).await;
        let record = house.record(&element(&answer, "RequestId"));
        assert_eq!(record.vpc_endpoint_id.as_ref(), Some(&first));
        house.gate.catch_up().await;
    }
    house.ec2(&format!("Action=DeleteVpcEndpoints&VpcEndpointId.1={first}")).await;
    let mut states = Vec::new();
    for other in &others {
        states.push(state(other).await);
    }
    states.sort();
    assert_eq!(states, ["available", "failed", "failed"]);
}

#[tokio::test]
async fn what_needs_no_signature_is_told_apart() {
    let house = House::open().await;
    let unsigned = async |to: SocketAddr, body: &str| {
        let length = body.len();
        let request = format!(
            "POST / HTTP/1.1\r\nhost: {to}\r\ncontent-length: {length}\r\n\
             content-type: application/x-www-form-urlencoded\r\n\r\n{body}"
        );
        let mut stream = connect(to).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        one(&mut stream).await
    };
    for operation in ["AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"] {
        let body = format!("Action={operation}&Version=2011-06-15&WebIdentityToken=c2VjcmV0");
        let answer = unsigned(house.public, &body).await;
        assert_eq!(status(&answer), "501", "{answer}");
        assert!(
            answer.contains(&format!("The operation sts:{operation} is not implemented")),
            "{answer}"
        );
        assert!(answer.contains("https://sts.amazonaws.com/doc/2011-06-15/"), "{answer}");
        let record = house.record(&element(&answer, "RequestId"));
        assert_eq!((&*record.event_name, &*record.event_source), (operation, "sts.amazonaws.com"));
        assert!(!format!("{record:?}").contains("c2VjcmV0"));
        if has_loopback_range() {
            let answer = unsigned(house.endpoint().await, &body).await;
            assert_eq!(status(&answer), "501", "{answer}");
        }
    }
    for other in [
        WHO,
        "Action=AssumeRoleWithSAML",
        "Action=AssumeRoleWithSAML&Version=2016-11-15",
        "Action=AssumeRole&Version=2011-06-15",
        "Action=%ff",
        "",
    ] {
        let answer = unsigned(house.public, other).await;
        assert_eq!(element(&answer, "Code"), "MissingAuthenticationToken", "{other}");
    }
}
