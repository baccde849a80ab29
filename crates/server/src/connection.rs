//! One connection, from its accept to its end.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, EXPECT, HOST, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use sagegate_gate::{HttpRequest, Unsigned};
use sagegate_network::{Arrival, EndpointArrival};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use crate::exchange::{Closing, HttpResponse, Reply, StreamBody, Taken, Takeover};
use crate::limits::Limits;
use crate::listeners::{Shared, Via, Way};
use crate::refusal::{REQUEST_ID, Refusal, plain, unserved};
use crate::route::{Route, host, route};
use crate::waiting::Seat;
use crate::wire_io::{ReplyIo, Served};

/// How long a connection that makes room may still take to hand over an answer.
const EVICTED: Duration = Duration::from_secs(1);
/// A body up to this size is not counted against the memory for bodies, and an answer up to it is soon taken.
const SMALL_BODY: usize = 64 * 1024;
/// The server's own paths, as a service in records.
const OWN_SERVICE: &str = "sagegate";
/// The unit of that count.
pub(crate) const BODY_UNIT: usize = 1024;

/// The two ends of a connection, as the socket knows them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    /// The client's address.
    pub(crate) peer: IpAddr,
    /// The address that it dialled.
    pub(crate) local: SocketAddr,
    /// Whether what is between them is TLS, ended by this server.
    pub(crate) secure: bool,
}

/// The way in was closed: the connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the way in was closed")]
struct Closed;

/// A builder with the bounds of the head.
pub(crate) fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_headers(limits.headers)
        .max_header_size(limits.head_bytes)
        .max_buf_size(limits.head_bytes.max(8192) + 8192)
        // A handler runs to its end even if the client goes away: what it has begun to write must
        // be followed by what belongs to it.
        .half_close(true);
    builder
}

/// Where a handler leaves what takes the connection over.
type Slot = Mutex<Option<(OnUpgrade, Takeover)>>;

/// Serves a connection until it ends, its way in is closed, or the server stops.
pub(crate) async fn serve<I>(
    io: I,
    ends: Ends,
    shared: Arc<Shared>,
    mut way: watch::Receiver<Arc<Way>>,
    seat: Seat,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let slot = Slot::default();
    let mut stop = shared.stop.subscribe();
    {
        let served = Arc::<Served>::default();
        let state = way.clone();
        let note = {
            let (shared, state) = (Arc::clone(&shared), way.clone());
            Arc::new(move |error| {
                let id = (shared.request_ids)();
                let (arrival, _) = arrival(&state.borrow(), ends.peer);
                shared.control.note(unserved(arrival, id.clone(), None, error));
                id
            })
        };
        let io = ReplyIo::new(io, Arc::clone(&served), note, shared.limits.write_time);
        let service = service_fn(|request| {
            served.begin();
            answer(&shared, &state, ends, &slot, &seat, request)
        });
        let connection = builder(&shared.limits).serve_connection(TokioIo::new(io), service);
        let mut connection = pin!(connection.with_upgrades());
        let time = tokio::select! {
            biased;
            _ = connection.as_mut() => None,
            _ = way.wait_for(|way| !way.is_open()) => Some(shared.limits.stop_time),
            _ = stop.wait_for(|stop| *stop) => Some(shared.limits.stop_time),
            // There may be an answer left in a buffer of hyper's; before the first request, there is
            // nothing.
            served = seat.evicted() => served.then_some(EVICTED),
        };
        if let Some(time) = time {
            connection.as_mut().graceful_shutdown();
            // How it ends is of no consequence: the answer in flight was written, or its client is
            // gone.
            // One whose body has no end is cut.
            let _ = timeout(time, connection).await;
        }
    }
    let left = slot.lock().ok().and_then(|mut slot| slot.take());
    if let Some((upgrade, takeover)) = left
        && let Ok(upgraded) = upgrade.await
        && let Ok(parts) = upgraded.downcast::<TokioIo<ReplyIo<I>>>()
    {
        let stream = Box::new(parts.io.into_inner().into_inner());
        let closing = Closing { way, stop };
        takeover(Taken { stream, early: parts.read_buf, closing }).await;
    }
}

async fn answer(
    shared: &Shared,
    way: &watch::Receiver<Arc<Way>>,
    ends: Ends,
    slot: &Slot,
    seat: &Seat,
    request: Request<Incoming>,
) -> Result<Response<Either<Full<Bytes>, StreamBody>>, Closed> {
    let (mut parts, body) = request.into_parts();
    let chunked = parts.headers.contains_key(TRANSFER_ENCODING);
    // A body and another protocol after it is more than anybody should have to keep apart.
    let upgrade = parts.extensions.remove::<OnUpgrade>();
    let upgrade = upgrade.filter(|_| !chunked && body.is_end_stream());
    let id = (shared.request_ids)();
    let header = HeaderValue::try_from(&id);
    let refused = |Refused { refusal, headers, id }| {
        let (response, error) = refusal.answer(&headers, &id);
        let (arrival, _) = arrival(&way.borrow(), ends.peer);
        shared.control.note(unserved(arrival, id, Some(&headers), error));
        response
    };
    let mut response = match take(shared, way, ends, seat, id, parts, body).await {
        Ok(None) => return Err(Closed),
        Ok(Some(Reply::Whole(response))) => response.map(whole),
        Ok(Some(Reply::Stream(response))) => response.map(Either::Right),
        Ok(Some(Reply::Upgrade(response, takeover))) => match (upgrade, slot.lock()) {
            (Some(upgrade), Ok(mut slot)) => {
                *slot = Some((upgrade, takeover));
                response.map(|()| whole(Bytes::new()))
            }
            _ => {
                let id = header.as_ref().ok().and_then(|id| id.to_str().ok()).unwrap_or_default();
                let (headers, id) = (HeaderMap::new(), id.to_owned());
                refused(Refused { refusal: Refusal::NoUpgrade, headers, id }).map(whole)
            }
        },
        Err(refusal) => refused(refusal).map(whole),
    };
    // What is longer, or is made while it is sent, keeps the connection busy after this.
    if matches!(response.body(), Either::Left(body) if body.size_hint().upper() < Some(SMALL_BODY as u64))
        && response.status() != StatusCode::SWITCHING_PROTOCOLS
        && seat.leave()
    {
        seat.wait(true);
    }
    if chunked {
        // RFC 9112, section 6.1: a length beside the coding may have been meant for somebody else;
        // nothing that follows it on this connection is believed.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if !response.headers().contains_key(REQUEST_ID)
        && let Ok(id) = header
    {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    Ok(response)
}

fn whole(body: Bytes) -> Either<Full<Bytes>, StreamBody> {
    Either::Left(Full::new(body))
}

/// A refusal, and what its answer is made of.
struct Refused {
    refusal: Refusal,
    headers: HeaderMap,
    id: String,
}

/// What a request arrives by, and whether by the public address of doors.
fn arrival(way: &Way, peer: IpAddr) -> (Arrival, bool) {
    match &way.via {
        Via::Endpoint(endpoint) => (Arrival::Endpoint(endpoint.clone()), false),
        Via::Interface(endpoint) => {
            let endpoint = EndpointArrival { vpc_source_ip: peer, ..endpoint.clone() };
            (Arrival::Endpoint(endpoint), false)
        }
        Via::Public => (Arrival::Public { source_ip: peer }, false),
        Via::Door => (Arrival::Public { source_ip: peer }, true),
    }
}

/// The answer; `None` if the way in is closed.
async fn take(
    shared: &Shared,
    ways: &watch::Receiver<Arc<Way>>,
    ends: Ends,
    seat: &Seat,
    request_id: String,
    parts: http::request::Parts,
    body: Incoming,
) -> Result<Option<Reply>, Refused> {
    // Judged anew for each request: a connection outlives the rule that let it in.
    let way = Arc::clone(&ways.borrow());
    if !way.is_open() {
        return Ok(None);
    }
    let http::request::Parts { method, uri, headers, .. } = parts;
    let path_and_query = match target(uri, &headers) {
        Ok(target) => target,
        Err(refusal) => return Err(Refused { refusal, headers, id: request_id }),
    };
    let chosen = |way: &Way, headers: &HeaderMap| {
        let (arrival, door) = arrival(way, ends.peer);
        if way.is_misdirected(host(headers)) {
            return Err(Refusal::OtherHost);
        }
        let to = route(&arrival, door, &method, path_and_query.path(), headers)?;
        Ok((arrival, to))
    };
    // What goes nowhere is refused before its body is read.
    let first = match chosen(&way, &headers) {
        Ok(first) => first,
        Err(refusal) => return Err(Refused { refusal, headers, id: request_id }),
    };
    let limit = if path_and_query.path() == "/" {
        shared.limits.body_bytes
    } else {
        shared.limits.large_body_bytes
    };
    let expects = headers.contains_key(EXPECT);
    let read = read(shared, body, limit, expects).await;
    if !seat.leave() {
        return Ok(None);
    }
    // A body takes its time, and what was so when it began decides nothing.
    let now = Arc::clone(&ways.borrow());
    if !now.is_open() {
        return Ok(None);
    }
    let to = if Arc::ptr_eq(&way, &now) { Ok(first) } else { chosen(&now, &headers) };
    let read = read.and_then(|read| Ok((read, to?)));
    let ((body, _memory), (arrival, to)) = match read {
        Ok(all) => all,
        Err(refusal) => return Err(Refused { refusal, headers, id: request_id }),
    };
    let request = HttpRequest {
        method,
        path: path_and_query.path().to_owned(),
        query: path_and_query.query().unwrap_or_default().to_owned(),
        headers,
        body,
        arrival,
        local: ends.local,
        secure: ends.secure,
        request_id,
    };
    match to {
        Route::Api => Ok(Some(shared.api.serve(request).await)),
        Route::Door => Ok(Some(shared.door.serve(request).await)),
        Route::Channel => Ok(Some(shared.channel.serve(request).await)),
        Route::Health => Ok(Some(health(shared, request).into())),
        Route::Reset => Ok(Some(reset(shared, request).await?.into())),
    }
}

/// That the server serves.
fn health(shared: &Shared, request: HttpRequest) -> HttpResponse {
    let HttpRequest { arrival, request_id, headers, .. } = request;
    shared.control.note(Unsigned {
        service: OWN_SERVICE,
        operation: "GetHealth",
        error: None,
        decision: "not asked: open to everybody",
        ..unserved(arrival, request_id, Some(&headers), <(String, String)>::default())
    });
    let body = Bytes::from_static(b"{\"status\":\"ok\"}\n");
    plain(StatusCode::OK, "application/json", body)
}

/// Empties all state, where that is allowed.
async fn reset(shared: &Shared, request: HttpRequest) -> Result<HttpResponse, Refused> {
    let done = match shared.control.reset(&request) {
        Some(reset) => Some(reset.await),
        None => None,
    };
    let HttpRequest { headers, request_id: id, arrival, .. } = request;
    match done {
        None => Err(Refused { refusal: Refusal::NotHere, headers, id }),
        Some(Ok(())) => Ok(plain(StatusCode::OK, "application/json", Bytes::from_static(b"{}\n"))),
        Some(Err(text)) => {
            let body = serde_json::json!({ "Message": text }).to_string();
            let error = ("InternalFailure".to_owned(), text);
            shared.control.note(Unsigned {
                service: OWN_SERVICE,
                operation: "ResetState",
                decision: "not asked: open to programs of this machine",
                ..unserved(arrival, id, Some(&headers), error)
            });
            Ok(plain(StatusCode::INTERNAL_SERVER_ERROR, "application/json", body.into()))
        }
    }
}

/// The path and query, of a request whose head can be believed (RFC 9112, section 3.2).
fn target(uri: Uri, headers: &HeaderMap) -> Result<PathAndQuery, Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().ok_or(Refusal::NoHost)?;
    if hosts.next().is_some() {
        return Err(Refusal::SeveralHosts);
    }
    let expectation = headers.get(EXPECT).map(HeaderValue::as_bytes);
    if expectation.is_some_and(|value| !value.eq_ignore_ascii_case(b"100-continue")) {
        return Err(Refusal::Expectation);
    }
    let parts = uri.into_parts();
    if let Some(authority) = parts.authority
        && !authority.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes())
    {
        // A proxy would go by the one and the signature by the other.
        return Err(Refusal::OtherAuthority);
    }
    parts.path_and_query.filter(|target| target.path().starts_with('/')).ok_or(Refusal::Target)
}

/// As [`timeout`], with the time beginning when there is something to wait for: most bodies are there with
/// their heads, and a timer costs more than reading them.
async fn in_time<F: Future>(time: Duration, work: F) -> Result<F::Output, Elapsed> {
    let mut work = pin!(work);
    match poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => timeout(time, work).await,
    }
}

/// The whole body, and the memory that it is counted against.
async fn read(
    shared: &Shared,
    mut body: Incoming,
    limit: u64,
    expects: bool,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Refusal> {
    if body.is_end_stream() {
        return Ok((Bytes::new(), None));
    }
    let limits = &shared.limits;
    if body.size_hint().lower() > limit {
        // A client that waits for `100 Continue` has sent nothing yet.
        if !expects {
            drain(limits, &mut body).await;
        }
        return Err(Refusal::BodyTooLong { limit });
    }
    match in_time(limits.body_time, collect(shared, &mut body, limit)).await {
        Err(_) => Err(Refusal::BodyTooSlow),
        Ok(Err(refusal @ Refusal::BodyTooLong { .. })) => {
            drain(limits, &mut body).await;
            Err(refusal)
        }
        Ok(read) => read,
    }
}

async fn collect(
    shared: &Shared,
    body: &mut Incoming,
    limit: u64,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Refusal> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut memory: Option<OwnedSemaphorePermit> = None;
    while let Some(data) = frame(body, shared.limits.body_idle_time).await? {
        let before = first.len() + rest.len();
        let length = before + data.len();
        if u64::try_from(length).map_or(true, |length| length > limit) {
            return Err(Refusal::BodyTooLong { limit });
        }
        let counted = length.saturating_sub(SMALL_BODY).div_ceil(BODY_UNIT);
        let held = memory.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if counted > held {
            let more = u32::try_from(counted - held).map_err(|_| Refusal::Busy)?;
            let more = Arc::clone(&shared.bodies).try_acquire_many_owned(more);
            let more = more.map_err(|_| Refusal::Busy)?;
            match &mut memory {
                Some(memory) => memory.merge(more),
                None => memory = Some(more),
            }
        }
        if before == 0 {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
                first = Bytes::new();
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok((if rest.is_empty() { first } else { rest.freeze() }, memory))
}

/// The next piece of a body; `None` at its end.
async fn frame(body: &mut Incoming, idle: Duration) -> Result<Option<Bytes>, Refusal> {
    loop {
        match in_time(idle, body.frame()).await {
            Err(_) => return Err(Refusal::BodyTooSlow),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(Refusal::BodyBroken),
            // Trailers carry nothing that is signed.
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// Reads and drops what is left of a body, within bounds.
async fn drain(limits: &Limits, body: &mut Incoming) {
    let all = async {
        let mut left = limits.drain_bytes;
        while let Ok(Some(data)) = frame(body, limits.body_idle_time).await {
            match left.checked_sub(u64::try_from(data.len()).unwrap_or(u64::MAX)) {
                Some(still) => left = still,
                None => break,
            }
        }
    };
    // Whether it came to its end or not, the refusal is the same.
    let _ = timeout(limits.body_time, all).await;
}

/// The answer to a connection that is one too many, of which there is a record too.
pub(crate) fn too_many(shared: &Shared, way: &Way, peer: IpAddr) -> String {
    let id = (shared.request_ids)();
    let text = "Too many connections are open.".to_owned();
    let error = ("ServiceUnavailable".to_owned(), text);
    let (arrival, _) = arrival(way, peer);
    shared.control.note(unserved(arrival, id.clone(), None, error));
    format!(
        "HTTP/1.1 503 Service Unavailable\r\n{REQUEST_ID}: {id}\r\nconnection: close\r\n\
         content-length: 0\r\n\r\n"
    )
}

/// A service for [`builder`] that cannot fail, for the operator's socket.
pub(crate) type Infallibly = Result<Response<Full<Bytes>>, Infallible>;
