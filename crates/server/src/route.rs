//! Where a request goes: the API, the Studio door, the message gateway, or the server's own paths.

use http::{HeaderMap, Method};
use sagegate_gate::{HttpRequest, Unsigned};
use sagegate_network::{Arrival, Behind, SPACES};

use crate::exchange::BoxFuture;
use crate::refusal::Refusal;

/// What the server's own paths can ask of the program.
pub trait Control: Send + Sync {
    /// Empties all state, when the operator has allowed it at the start; `None` when not. The record
    /// of the request is part of what is done.
    fn reset<'a>(&'a self, request: &'a HttpRequest) -> Option<BoxFuture<'a, Result<(), String>>>;

    /// Hands over the record of a request that the server has answered by itself. Never waits.
    fn note(&self, answered: Unsigned);
}

/// Where the data channels of sessions are, each by its session's id. No path of an API begins so.
const CHANNEL: &str = "/v1/data-channel/";

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Api,
    Door,
    Channel,
    Health,
    Reset,
}

/// Chooses by the listener first; the host name decides only on the public one.
pub(crate) fn route(
    arrival: &Arrival,
    door_listener: bool,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Result<Route, Refusal> {
    if let Arrival::Endpoint(endpoint) = arrival {
        return match endpoint.behind() {
            Some(Behind::Studio) => Ok(Route::Door),
            Some(Behind::DataChannel) if path.starts_with(CHANNEL) => Ok(Route::Channel),
            Some(Behind::DataChannel) => Err(Refusal::NotHere),
            Some(Behind::Api(_)) | None => Ok(Route::Api),
        };
    }
    let host = host(headers);
    if door_listener || is_door_host(host) {
        return Ok(Route::Door);
    }
    if path.starts_with(CHANNEL) {
        return Ok(Route::Channel);
    }
    match path.strip_prefix("/_sagegate/") {
        None => Ok(Route::Api),
        Some("health") if *method == Method::GET || *method == Method::HEAD => Ok(Route::Health),
        Some("reset") if *method == Method::POST => {
            // Another machine must not be able to empty the state, and neither must a page in a
            // browser of this machine: browsers name the page's origin, and a page that has its own
            // name resolve to this machine is known by that name.
            // Nor must code in a space.
            let local = matches!(
                arrival,
                Arrival::Public { source_ip } if source_ip.is_loopback() && *source_ip != SPACES
            );
            if !local || headers.contains_key(http::header::ORIGIN) || !is_local_host(host) {
                return Err(Refusal::ForeignOrigin);
            }
            Ok(Route::Reset)
        }
        Some(_) => Err(Refusal::NotHere),
    }
}

/// The host without its port.
pub(crate) fn host(headers: &HeaderMap) -> &str {
    let host = headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    let host = host.unwrap_or_default();
    let colon = match host.starts_with('[') {
        true => host.find("]:").map(|at| at + 1),
        false => host.find(':'),
    };
    match colon.and_then(|at| host.split_at_checked(at)) {
        Some((name, port)) if port.bytes().skip(1).all(|it| it.is_ascii_digit()) => name,
        // What is no port leaves no name that anything is served under.
        _ => host,
    }
}

/// `d-xxxxxxxxxxxx.studio.<region>.sagemaker.aws` (SPEC R1.5), or a notebook instance's
/// `<label>.notebook.<region>.sagemaker.aws`.
fn is_door_host(host: &str) -> bool {
    const END: &str = ".sagemaker.aws";
    let host = host.trim_end_matches('.');
    let cut = host.len().checked_sub(END.len()).and_then(|at| host.split_at_checked(at));
    // Nearly every request is for another host: told without a copy.
    let Some((front, _)) = cut.filter(|(_, end)| end.eq_ignore_ascii_case(END)) else {
        return false;
    };
    let front = front.to_ascii_lowercase();
    let mut labels = front.split('.');
    let first = labels.next().unwrap_or_default();
    let door = match labels.next() {
        Some("studio") => first.starts_with("d-"),
        Some("notebook") => !first.is_empty(),
        _ => false,
    };
    let region = labels.next().is_some_and(|label| !label.is_empty());
    door && region && labels.next().is_none()
}

/// Whether this names the machine itself by an address of the loopback range or as `localhost`.
fn is_local_host(host: &str) -> bool {
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn to(arrival: &Arrival, method: Method, path: &str, host: &'static str) -> Option<Route> {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static(host));
        route(arrival, false, &method, path, &headers).ok()
    }

    fn public() -> Arrival {
        Arrival::Public { source_ip: [127, 0, 0, 1].into() }
    }

    fn endpoint(service_name: &str) -> Arrival {
        Arrival::Endpoint(sagegate_network::EndpointArrival {
            vpc_endpoint_id: "vpce-1".into(),
            vpc_id: "vpc-1".into(),
            subnet_id: "subnet-1".into(),
            account: "123456789012".into(),
            region: "us-west-2".into(),
            vpc_source_ip: [10, 0, 0, 4].into(),
            service_name: service_name.into(),
        })
    }

    #[test]
    fn what_follows_a_host_is_a_port() {
        let name = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static(text));
            host(&headers).to_owned()
        };
        assert_eq!(name("localhost:4566"), "localhost");
        assert_eq!(name("[::1]:4566"), "[::1]");
        for foreign in ["127.0.0.1:4566.evil.example", "localhost:evil.example", "localhost:1:2"] {
            assert!(!is_local_host(&name(foreign)), "{foreign}");
        }
        assert!(!is_local_host(&name("[::1].evil.example")));
    }

    #[test]
    fn the_listener_decides_before_the_host() {
        let studio = "d-abc.studio.us-west-2.sagemaker.aws";
        let api = endpoint("com.amazonaws.us-west-2.sagemaker.api");
        let door = endpoint("aws.sagemaker.us-west-2.studio");
        assert_eq!(to(&api, Method::GET, "/", studio), Some(Route::Api));
        assert_eq!(to(&door, Method::GET, "/", "api.sagemaker.x"), Some(Route::Door));
        assert_eq!(to(&public(), Method::GET, "/", studio), Some(Route::Door));
        assert_eq!(
            to(&public(), Method::GET, "/", "D-abc.studio.r.sagemaker.aws:4566"),
            Some(Route::Door)
        );
        assert_eq!(
            to(&public(), Method::GET, "/", "Lab-ab12.notebook.r.sagemaker.aws"),
            Some(Route::Door)
        );
        for other in ["x.d-abc.studio.r.sagemaker.aws", ".notebook.r.sagemaker.aws"] {
            assert_eq!(to(&public(), Method::GET, "/", other), Some(Route::Api), "{other}");
        }
        assert_eq!(to(&api, Method::POST, "/_sagegate/reset", "localhost"), Some(Route::Api));
    }

    #[test]
    fn data_channels_are_on_the_public_listener_and_behind_their_own_endpoints() {
        let path = "/v1/data-channel/s-1";
        assert_eq!(to(&public(), Method::GET, path, "localhost"), Some(Route::Channel));
        let channel = endpoint("com.amazonaws.us-west-2.ssmmessages");
        assert_eq!(to(&channel, Method::GET, path, "localhost"), Some(Route::Channel));
        for other in ["/", "/v1/data-channel", "/v1/control-channel/i-1"] {
            assert_eq!(to(&channel, Method::POST, other, "localhost"), None, "{other}");
        }
        let api = endpoint("com.amazonaws.us-west-2.sagemaker.api");
        assert_eq!(to(&api, Method::GET, path, "localhost"), Some(Route::Api));
        let studio = "d-abc.studio.us-west-2.sagemaker.aws";
        assert_eq!(to(&public(), Method::GET, path, studio), Some(Route::Door));
    }

    #[test]
    fn reset_is_for_local_programs_only() {
        let reset = "/_sagegate/reset";
        for host in ["localhost:4566", "127.0.0.1:4566", "127.3.4.5", "[::1]:4566"] {
            assert_eq!(to(&public(), Method::POST, reset, host), Some(Route::Reset), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "10.0.0.1", "", "127.0.0.1.nip.io"] {
            assert_eq!(to(&public(), Method::POST, reset, host), None, "{host}");
        }
        for peer in ["10.0.0.7", "192.168.1.2", "fe80::1", "127.69.0.1"] {
            let other = Arrival::Public { source_ip: peer.parse().unwrap() };
            assert_eq!(to(&other, Method::POST, reset, "localhost"), None, "{peer}");
        }
        assert_eq!(to(&public(), Method::GET, reset, "localhost"), None);
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("localhost"));
        headers.insert("origin", HeaderValue::from_static("null"));
        assert!(route(&public(), false, &Method::POST, reset, &headers).is_err());
    }
}
