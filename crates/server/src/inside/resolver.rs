//! The resolver of a VPC: DNS over UDP and TCP, at addresses of its router.
//!
//! It answers from what is known of the networks and asks nobody: nothing of a question leaves this
//! process. How many questions an interface may ask is bounded by the router's filter (Amazon VPC
//! User Guide, "DNS quotas"); here one question is answered at a time, and what does not fit into
//! the socket's buffer meanwhile is dropped by the kernel.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, NULL};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use sagegate_network::dns::{Answer, Data, HostedZone, Names, Status, labels_of, text_of};
use sagegate_network::public::{self, PublicService};
use sagegate_network::topology::Topology;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What an answer over UDP may have at most, whatever a client says it can take: more than this is
/// cut into fragments on some ways (RFC 9715, 3.1).
const MOST_UDP: u16 = 1232;
/// What it may have where the client says nothing (RFC 1035, 2.3.4).
const PLAIN_UDP: u16 = 512;
/// The length of a header (RFC 1035, 4.1.1).
const HEADER: usize = 12;
/// Connections at the same time.
const CONNECTIONS: usize = 64;
/// How long a connection may be silent (RFC 7766, 6.2.3: in the order of seconds).
const SILENCE: Duration = Duration::from_secs(10);
/// What a socket that fails waits before it is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// What answers are made of.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) topology: Arc<Topology>,
    pub(crate) zones: Vec<HostedZone>,
    pub(crate) region: String,
    pub(crate) public: Vec<PublicService>,
}

impl View {
    fn resolve(&self, vpc: &str, name: &str, kind: u16) -> Answer {
        let public = |name: &str| public::resolve(&self.public, name);
        let names = Names {
            topology: &self.topology,
            region: &self.region,
            zones: &self.zones,
            public: &public,
            draw: &|choices| fastrand::u64(..choices.max(1)),
        };
        names.resolve(Some(vpc), name, kind)
    }
}

/// A socket of a resolver, until it is dropped.
#[derive(Debug)]
pub(crate) struct Resolver(JoinHandle<()>);

impl Drop for Resolver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Resolver {
    /// Answers datagrams.
    pub(crate) fn udp(
        socket: OwnedFd,
        vpc: &str,
        view: watch::Receiver<Arc<View>>,
    ) -> io::Result<Self> {
        let socket = std::net::UdpSocket::from(socket);
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(socket)?;
        let vpc = vpc.to_owned();
        Ok(Self(tokio::spawn(async move {
            let mut buffer = vec![0; usize::from(u16::MAX)];
            loop {
                let Ok((length, peer)) = socket.recv_from(&mut buffer).await else {
                    // An ICMP error of an earlier answer, or no memory.
                    tokio::time::sleep(AGAIN).await;
                    continue;
                };
                let question = buffer.get(..length).unwrap_or_default();
                let view = Arc::clone(&view.borrow());
                if let Some(answer) = answer(&view, &vpc, question, true) {
                    // Who is gone needs no answer, and who is still there asks again.
                    let _ = socket.send_to(&answer, peer).await;
                }
            }
        })))
    }

    /// Answers over connections.
    pub(crate) fn tcp(
        socket: OwnedFd,
        vpc: &str,
        view: watch::Receiver<Arc<View>>,
    ) -> io::Result<Self> {
        let socket = std::net::TcpListener::from(socket);
        socket.set_nonblocking(true)?;
        let listener = TcpListener::from_std(socket)?;
        let vpc: Arc<str> = vpc.into();
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        Ok(Self(tokio::spawn(async move {
            // Dropped, and with them the connections, when this task is.
            let mut connections = tokio::task::JoinSet::new();
            loop {
                while connections.try_join_next().is_some() {}
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::time::sleep(AGAIN).await;
                    continue;
                };
                let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
                let (vpc, view) = (Arc::clone(&vpc), view.clone());
                connections.spawn(async move {
                    // A client that goes away ends it, whatever the error is called.
                    let _ = converse(stream, &vpc, &view).await;
                    drop(permit);
                });
            }
        })))
    }
}

/// Answers the questions of a connection, one after the other.
async fn converse(
    mut stream: TcpStream,
    vpc: &str,
    view: &watch::Receiver<Arc<View>>,
) -> io::Result<()> {
    loop {
        let question = timeout(SILENCE, async {
            let length = stream.read_u16().await?;
            let mut question = vec![0; usize::from(length)];
            stream.read_exact(&mut question).await?;
            io::Result::Ok(question)
        });
        let question = question.await??;
        let view = Arc::clone(&view.borrow());
        let Some(answer) = answer(&view, vpc, &question, false) else { return Ok(()) };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        let mut framed = length.to_be_bytes().to_vec();
        framed.extend(answer);
        timeout(SILENCE, stream.write_all(&framed)).await??;
    }
}

/// The answer to a message; `None` where there is none, because it is no question.
fn answer(view: &View, vpc: &str, question: &[u8], datagram: bool) -> Option<Vec<u8>> {
    let (id, flags) = (question.get(..2)?, *question.get(2)?);
    // What answers answers would talk to itself (RFC 5625, 4.4).
    if question.len() < HEADER || flags & 0x80 != 0 {
        return None;
    }
    let id = u16::from_be_bytes(<[u8; 2]>::try_from(id).ok()?);
    let asked = match Message::from_vec(question) {
        Ok(asked) => asked,
        Err(_) => {
            let refusal = Message::error_msg(id, OpCode::Query, ResponseCode::FormErr);
            return refusal.to_vec().ok();
        }
    };
    let mut reply = reply(view, vpc, &asked);
    let room = match &asked.edns {
        Some(edns) => edns.max_payload().clamp(PLAIN_UDP, MOST_UDP),
        None => PLAIN_UDP,
    };
    if asked.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(MOST_UDP);
        reply.set_edns(edns);
    }
    let written = reply.to_vec().ok()?;
    let most = if datagram { usize::from(room) } else { usize::from(u16::MAX) };
    if written.len() <= most {
        return Some(written);
    }
    // The client asks again over TCP (RFC 2181, section 9).
    reply.answers.clear();
    reply.metadata.truncation = true;
    reply.to_vec().ok()
}

fn reply(view: &View, vpc: &str, asked: &Message) -> Message {
    let mut reply = Message::new(asked.metadata.id, MessageType::Response, asked.metadata.op_code);
    reply.metadata.recursion_desired = asked.metadata.recursion_desired;
    reply.metadata.checking_disabled = asked.metadata.checking_disabled;
    reply.metadata.recursion_available = true;
    for query in &asked.queries {
        reply.add_query(query.clone());
    }
    let code = &mut reply.metadata.response_code;
    if asked.metadata.op_code != OpCode::Query {
        *code = ResponseCode::NotImp;
        return reply;
    }
    if asked.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
        *code = ResponseCode::BADVERS;
        return reply;
    }
    let [query] = asked.queries.as_slice() else {
        *code = ResponseCode::FormErr;
        return reply;
    };
    if query.query_class() != DNSClass::IN {
        *code = ResponseCode::Refused;
        return reply;
    }
    let answer = view.resolve(vpc, &own_name(query.name()), query.query_type().into());
    *code = match answer.status {
        Status::Found | Status::NoData => ResponseCode::NoError,
        Status::NameError => ResponseCode::NXDomain,
        Status::Failure => ResponseCode::ServFail,
        Status::NoResolver => ResponseCode::Refused,
    };
    for record in answer.records {
        // A client compares names as it wrote them, letter by letter at times.
        let name = if record.name == own_name(query.name()) {
            Some(query.name().clone())
        } else {
            read_name(&record.name)
        };
        let data = match record.data {
            Data::A(address) => Some(a(address)),
            Data::Aaaa(address) => Some(aaaa(address)),
            Data::Cname(name) => read_name(&name).map(|name| RData::CNAME(CNAME(name))),
            Data::Other { kind, wire, .. } => {
                let code = RecordType::from(kind);
                Some(RData::Unknown { code, rdata: NULL::with(wire) })
            }
        };
        match (name, data) {
            (Some(name), Some(data)) => {
                reply.add_answer(Record::from_rdata(name, record.ttl, data));
            }
            // Half an answer would be a wrong one.
            _ => {
                reply.answers.clear();
                reply.metadata.response_code = ResponseCode::ServFail;
                return reply;
            }
        }
    }
    reply
}

fn own_name(name: &Name) -> String {
    text_of(name.iter())
}

fn read_name(text: &str) -> Option<Name> {
    let labels = labels_of(text);
    let mut name = Name::from_labels(labels.iter().map(Vec::as_slice)).ok()?;
    name.set_fqdn(true);
    Some(name)
}

fn a(address: Ipv4Addr) -> RData {
    RData::A(A(address))
}

fn aaaa(address: Ipv6Addr) -> RData {
    RData::AAAA(AAAA(address))
}

/// Its addresses in a VPC with this primary block.
pub(crate) fn addresses(primary: Option<IpAddr>) -> Vec<IpAddr> {
    use sagegate_fabric::compile::{RESOLVER, RESOLVER_V6};
    primary.into_iter().chain([RESOLVER.into(), RESOLVER_V6.into()]).collect()
}

#[cfg(test)]
mod tests;
