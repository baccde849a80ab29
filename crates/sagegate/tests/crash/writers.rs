//! The clients: one for each kind of thing, making and deleting until the server dies.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sagegate_wire::sigv4::SecretKey;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::client::{Client, Credentials, Refused};
use crate::ledger::{Fate, Ledger};

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Role,
    /// A user with an access key that signs its own requests.
    Key,
    SecurityGroup,
    VpcEndpoint,
    VpcTag,
    UserProfile,
    DomainTag,
    /// Temporary credentials that sign requests of their own. Nobody can take them back.
    Session,
}

impl Kind {
    pub(crate) const ALL: [Kind; 9] = [
        Kind::User,
        Kind::Role,
        Kind::Key,
        Kind::SecurityGroup,
        Kind::VpcEndpoint,
        Kind::VpcTag,
        Kind::UserProfile,
        Kind::DomainTag,
        Kind::Session,
    ];

    /// How many things of the kind there may be before the oldest is deleted.
    fn room(self) -> usize {
        match self {
            Kind::VpcEndpoint => 2,
            _ => 6,
        }
    }
}

/// One life of the server.
pub(crate) struct Round {
    number: u64,
    target: u64,
    acknowledged: AtomicU64,
    reached: Notify,
    killed: AtomicBool,
}

impl Round {
    pub(crate) fn new(number: u64, target: u64) -> Round {
        let (acknowledged, killed) = (AtomicU64::new(0), AtomicBool::new(false));
        Round { number, target, acknowledged, reached: Notify::new(), killed }
    }

    fn acknowledge(&self) {
        if self.acknowledged.fetch_add(1, Ordering::SeqCst) + 1 == self.target {
            self.reached.notify_one();
        }
    }

    /// Waits until there are as many acknowledgements as this round is to have.
    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    pub(crate) fn killing(&self) {
        self.killed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }
}

/// What the things are made in.
pub(crate) struct World {
    vpc: String,
    subnet: String,
    domain: String,
    domain_arn: String,
    /// Whom the role of sessions trusts.
    assumer: Credentials,
    session_role: String,
}

const DESCRIPTION: &str = "made by the crash test";

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
    "Principal":{"Service":"sagemaker.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

impl World {
    pub(crate) async fn make(client: &Client) -> World {
        let call = async |name: &str, input: Value| client.call(name, &input).await.unwrap();
        let vpc = call("ec2.CreateVpc", json!({ "CidrBlock": "10.9.0.0/16" })).await;
        let vpc = text(&vpc["Vpc"]["VpcId"]);
        let subnet = json!({ "VpcId": vpc, "CidrBlock": "10.9.1.0/24" });
        let subnet = text(&call("ec2.CreateSubnet", subnet).await["Subnet"]["SubnetId"]);
        let role = json!({ "RoleName": "execution", "AssumeRolePolicyDocument": TRUST });
        let role = text(&call("iam.CreateRole", role).await["Role"]["Arn"]);
        let domain = json!({
            "DomainName": "crash",
            "AuthMode": "IAM",
            "VpcId": vpc,
            "SubnetIds": [subnet],
            "DefaultUserSettings": { "ExecutionRole": role },
        });
        let made = call("sagemaker.CreateDomain", domain).await;
        let domain_arn = text(&made["DomainArn"]);
        let (_, domain) = domain_arn.rsplit_once('/').unwrap();
        let domain = domain.to_owned();
        loop {
            let now = call("sagemaker.DescribeDomain", json!({ "DomainId": domain })).await;
            match text(&now["Status"]).as_str() {
                "InService" => break,
                "Pending" => tokio::task::yield_now().await,
                other => panic!("the domain is {other}"),
            }
        }
        let user = json!({ "UserName": "assumer", "Path": "/world/" });
        let user = call("iam.CreateUser", user).await;
        let key = call("iam.CreateAccessKey", json!({ "UserName": "assumer" })).await;
        let assumer = credentials(&key["AccessKey"]);
        let trust = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "AWS": user["User"]["Arn"] },
                "Action": "sts:AssumeRole",
            }],
        });
        let role = json!({ "RoleName": "session", "AssumeRolePolicyDocument": trust.to_string() });
        let session_role = text(&call("iam.CreateRole", role).await["Role"]["Arn"]);
        World { vpc, subnet, domain, domain_arn, assumer, session_role }
    }

    /// Makes and deletes until the server is killed. Any failure before that fails the test.
    pub(crate) async fn write(
        &self,
        client: &Client,
        kind: Kind,
        mut ledger: Ledger,
        round: &Round,
    ) -> Ledger {
        for number in 0.. {
            let done = self.step(client, kind, &mut ledger, round, number).await;
            match done {
                Ok(()) => round.acknowledge(),
                Err(error) if round.killed.load(Ordering::SeqCst) && !refused(&error) => break,
                Err(error) => panic!("{kind:?}: {error:#}"),
            }
        }
        ledger
    }

    async fn step(
        &self,
        client: &Client,
        kind: Kind,
        ledger: &mut Ledger,
        round: &Round,
        number: u64,
    ) -> anyhow::Result<()> {
        if matches!(kind, Kind::VpcTag | Kind::DomainTag) {
            ledger.counter.1 += 1;
            let value = ledger.counter.1;
            let tags = json!([{ "Key": "counter", "Value": value.to_string() }]);
            if kind == Kind::VpcTag {
                let input = json!({ "Resources": [self.vpc], "Tags": tags });
                client.call("ec2.CreateTags", &input).await?;
            } else {
                let input = json!({ "ResourceArn": self.domain_arn, "Tags": tags });
                client.call("sagemaker.AddTags", &input).await?;
            }
            ledger.counter.0 = value;
            return Ok(());
        }
        match ledger.oldest() {
            Some((name, detail, count)) if count >= kind.room() => {
                ledger.note(&name, Fate::Unsure);
                self.delete(client, kind, &name, &detail).await?;
                ledger.note(&name, Fate::Gone);
            }
            _ => {
                let name = format!("crash-{:03}-{number:04}", round.number);
                ledger.note(&name, Fate::Unsure);
                let detail = self.make_one(client, kind, &name).await?;
                ledger.note(&name, Fate::Made(detail));
            }
        }
        Ok(())
    }

    async fn make_one(&self, client: &Client, kind: Kind, name: &str) -> anyhow::Result<Value> {
        let tags = json!([{ "Key": "made-as", "Value": name }]);
        let made = match kind {
            Kind::User => {
                let input = json!({ "UserName": name, "Path": "/user/", "Tags": tags });
                client.call("iam.CreateUser", &input).await?;
                Value::Null
            }
            Kind::Role => {
                let input = json!({
                    "RoleName": name,
                    "Path": "/crash/",
                    "AssumeRolePolicyDocument": TRUST,
                    "Tags": tags,
                });
                client.call("iam.CreateRole", &input).await?;
                Value::Null
            }
            Kind::Key => {
                let name = key_user(name);
                let input = json!({ "UserName": name, "Path": "/key/" });
                client.call("iam.CreateUser", &input).await?;
                let made = client.call("iam.CreateAccessKey", &json!({ "UserName": name })).await?;
                made["AccessKey"].clone()
            }
            Kind::SecurityGroup => {
                let input =
                    json!({ "VpcId": self.vpc, "GroupName": name, "Description": DESCRIPTION });
                client.call("ec2.CreateSecurityGroup", &input).await?["GroupId"].clone()
            }
            Kind::VpcEndpoint => {
                let input = json!({
                    "VpcEndpointType": "Interface",
                    "VpcId": self.vpc,
                    "ServiceName": format!("com.amazonaws.{}.sagemaker.api", client.region),
                    "SubnetIds": [self.subnet],
                    "PrivateDnsEnabled": false,
                    "TagSpecifications": [{ "ResourceType": "vpc-endpoint", "Tags": tags }],
                });
                let made = client.call("ec2.CreateVpcEndpoint", &input).await?;
                made["VpcEndpoint"]["VpcEndpointId"].clone()
            }
            Kind::UserProfile => {
                let input = json!({ "DomainId": self.domain, "UserProfileName": name });
                client.call("sagemaker.CreateUserProfile", &input).await?;
                Value::Null
            }
            Kind::Session => {
                let input = json!({ "RoleArn": self.session_role, "RoleSessionName": name });
                let assumer = as_another(client, self.assumer.clone());
                assumer.call("sts.AssumeRole", &input).await?["Credentials"].clone()
            }
            Kind::VpcTag | Kind::DomainTag => Value::Null,
        };
        Ok(made)
    }

    async fn delete(
        &self,
        client: &Client,
        kind: Kind,
        name: &str,
        detail: &Value,
    ) -> anyhow::Result<()> {
        let (call, input) = match kind {
            Kind::User => ("iam.DeleteUser", json!({ "UserName": name })),
            Kind::Role => ("iam.DeleteRole", json!({ "RoleName": name })),
            Kind::Key => (
                "iam.DeleteAccessKey",
                json!({ "UserName": key_user(name), "AccessKeyId": detail["AccessKeyId"] }),
            ),
            Kind::SecurityGroup => ("ec2.DeleteSecurityGroup", json!({ "GroupId": detail })),
            Kind::VpcEndpoint => ("ec2.DeleteVpcEndpoints", json!({ "VpcEndpointIds": [detail] })),
            Kind::UserProfile => (
                "sagemaker.DeleteUserProfile",
                json!({ "DomainId": self.domain, "UserProfileName": name }),
            ),
            // Of a session it is only forgotten.
            Kind::VpcTag | Kind::DomainTag | Kind::Session => return Ok(()),
        };
        let done = client.call(call, &input).await?;
        let left = done["Unsuccessful"].as_array().map_or(0, Vec::len);
        anyhow::ensure!(left == 0, "{call}: {done}");
        Ok(())
    }

    /// Compares the things of one kind with what their ledger says.
    pub(crate) async fn check(&self, client: &Client, kind: Kind, ledger: &mut Ledger, round: u64) {
        let what = format!("before round {round}, {kind:?}");
        match kind {
            Kind::VpcTag => {
                let ids = json!([{ "Name": "resource-id", "Values": [self.vpc] }]);
                let all = client.call("ec2.DescribeTags", &json!({ "Filters": ids })).await;
                ledger.compare_counter(&what, counter(&all.unwrap()["Tags"]));
            }
            Kind::DomainTag => {
                let arn = json!({ "ResourceArn": self.domain_arn });
                let all = client.call("sagemaker.ListTags", &arn).await;
                ledger.compare_counter(&what, counter(&all.unwrap()["Tags"]));
            }
            _ => {
                let found = self.found(client, kind, ledger).await;
                ledger.compare(&what, &found);
            }
        }
    }

    /// The things of a kind that are there, by their names.
    async fn found(&self, client: &Client, kind: Kind, ledger: &Ledger) -> BTreeMap<String, Value> {
        let mut found = BTreeMap::new();
        match kind {
            Kind::User => {
                let input = json!({ "PathPrefix": "/user/" });
                for user in pages(client, "iam.ListUsers", "Users", "Marker", input).await {
                    let name = text(&user["UserName"]);
                    let tags = json!({ "UserName": name });
                    let tags = client.call("iam.ListUserTags", &tags).await.unwrap();
                    assert_eq!(tags["Tags"][0]["Value"], json!(name), "half a user");
                    found.insert(name, Value::Null);
                }
            }
            Kind::Role => {
                let input = json!({ "PathPrefix": "/crash/" });
                for role in pages(client, "iam.ListRoles", "Roles", "Marker", input).await {
                    found.insert(text(&role["RoleName"]), Value::Null);
                }
            }
            Kind::Key => {
                for (name, key) in ledger.made() {
                    if key_works(client, &key, &key_user(&name)).await {
                        found.insert(name, key);
                    }
                }
            }
            Kind::Session => {
                for (name, session) in ledger.made() {
                    let own = as_another(client, credentials(&session));
                    let identity = own.call("sts.GetCallerIdentity", &json!({})).await.unwrap();
                    let arn = text(&identity["Arn"]);
                    assert!(arn.ends_with(&format!(":assumed-role/session/{name}")), "{arn}");
                    found.insert(name, session);
                }
            }
            Kind::SecurityGroup => {
                let input = json!({ "Filters": [{ "Name": "vpc-id", "Values": [self.vpc] }] });
                let all = client.call("ec2.DescribeSecurityGroups", &input).await.unwrap();
                for group in all["SecurityGroups"].as_array().unwrap() {
                    // The VPC's default group and those of the domain are nobody's here.
                    if group["Description"] == json!(DESCRIPTION) {
                        found.insert(text(&group["GroupName"]), group["GroupId"].clone());
                    }
                }
            }
            Kind::VpcEndpoint => {
                let all = client.call("ec2.DescribeVpcEndpoints", &json!({})).await.unwrap();
                for endpoint in all["VpcEndpoints"].as_array().into_iter().flatten() {
                    if endpoint["State"] == json!("available") {
                        let name = text(&endpoint["Tags"][0]["Value"]);
                        found.insert(name, endpoint["VpcEndpointId"].clone());
                    }
                }
            }
            Kind::UserProfile => {
                let input = json!({ "DomainIdEquals": self.domain });
                let all = "sagemaker.ListUserProfiles";
                for profile in pages(client, all, "UserProfiles", "NextToken", input).await {
                    if profile["Status"] != json!("Deleting") {
                        found.insert(text(&profile["UserProfileName"]), Value::Null);
                    }
                }
            }
            Kind::VpcTag | Kind::DomainTag => {}
        }
        found
    }
}

/// The user of an access key has a name of its own: the names of all kinds are alike.
fn key_user(name: &str) -> String {
    format!("key-{name}")
}

fn refused(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refused>().is_some()
}

/// The value of the tag `counter`; 0 where there is none yet.
fn counter(tags: &Value) -> u64 {
    let tags = tags.as_array().into_iter().flatten();
    tags.filter(|tag| tag["Key"] == json!("counter"))
        .map(|tag| text(&tag["Value"]).parse::<u64>().unwrap())
        .next()
        .unwrap_or(0)
}

/// Credentials as answers show them.
fn credentials(shown: &Value) -> Credentials {
    Credentials {
        access_key_id: text(&shown["AccessKeyId"]),
        secret: SecretKey::new(text(&shown["SecretAccessKey"])),
        token: shown.get("SessionToken").map(text),
    }
}

/// A client of the same server with other credentials.
fn as_another(client: &Client, credentials: Credentials) -> Client {
    let (server, region, env) = (client.server, client.region.clone(), client.env.clone());
    Client { server, region, credentials, env }
}

/// Whether requests signed with the key are those of the user.
async fn key_works(client: &Client, key: &Value, user: &str) -> bool {
    let own = as_another(client, credentials(key));
    match own.call("sts.GetCallerIdentity", &json!({})).await {
        Ok(identity) => {
            assert!(text(&identity["Arn"]).ends_with(&format!(":user/key/{user}")), "{identity}");
            true
        }
        Err(error) => {
            let refused = error.downcast_ref::<Refused>().unwrap();
            assert_eq!(refused.code, "InvalidClientTokenId", "{refused}");
            false
        }
    }
}

/// All items of a list that comes in pages.
async fn pages(client: &Client, call: &str, items: &str, token: &str, input: Value) -> Vec<Value> {
    let mut all = Vec::new();
    let mut input = input;
    loop {
        let page = client.call(call, &input).await.unwrap();
        all.extend(page[items].as_array().into_iter().flatten().cloned());
        match page.get(token).and_then(Value::as_str) {
            Some(next) if !next.is_empty() => input[token] = json!(next),
            _ => return all,
        }
    }
}
