//! The DNS names that AWS gives an interface endpoint, and reading them back from a Host header.
//!
//! Form (AWS PrivateLink Guide, "Access an AWS service using an interface VPC endpoint"):
//! `<endpoint>-<hash>.<service's base name>` for the region and
//! `<endpoint>-<hash>-<zone>.<service's base name>` for one Availability Zone.

/// A name of an endpoint, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointName<'a> {
    /// `vpce-…`.
    pub vpc_endpoint_id: &'a str,
    /// The eight letters and digits that make the name hard to guess; absent in the short form that
    /// clients of old SDKs were told to use.
    pub hash: Option<&'a str>,
    /// The Availability Zone of a zonal name.
    pub zone: Option<&'a str>,
    /// What follows the first label, such as `api.sagemaker.us-west-2.vpce.amazonaws.com`.
    pub base: &'a str,
}

/// The regional name.
#[must_use]
pub fn regional(vpc_endpoint_id: &str, hash: &str, base: &str) -> String {
    format!("{vpc_endpoint_id}-{hash}.{base}")
}

/// The name for one Availability Zone.
#[must_use]
pub fn zonal(vpc_endpoint_id: &str, hash: &str, zone: &str, base: &str) -> String {
    format!("{vpc_endpoint_id}-{hash}-{zone}.{base}")
}

/// Takes a host name apart (lower case, without a port); `None` where it is no endpoint's name.
#[must_use]
pub fn parse(host: &str) -> Option<EndpointName<'_>> {
    let (label, base) = host.split_once('.')?;
    if base.is_empty() {
        return None;
    }
    let rest = label.strip_prefix("vpce-")?;
    let (digits, rest) = match rest.split_once('-') {
        Some((digits, rest)) => (digits, Some(rest)),
        None => (rest, None),
    };
    if digits.is_empty()
        || !digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    {
        return None;
    }
    let vpc_endpoint_id = label.get(.."vpce-".len() + digits.len())?;
    let (hash, zone) =
        match rest.map(|rest| rest.split_once('-').map_or((rest, None), |(h, z)| (h, Some(z)))) {
            Some((hash, zone)) => (Some(hash), zone),
            None => (None, None),
        };
    let hash_is_one = hash.is_none_or(|hash| {
        hash.len() == 8
            && hash.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    });
    let zone_is_one = zone.is_none_or(|zone| zone.split('-').count() >= 3);
    (hash_is_one && zone_is_one).then_some(EndpointName { vpc_endpoint_id, hash, zone, base })
}

/// Whether `host` is the name `pattern`, which may begin with `*.` for exactly one label.
#[must_use]
pub fn matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(rest) => host
            .split_once('.')
            .is_some_and(|(label, tail)| !label.is_empty() && tail.eq_ignore_ascii_case(rest)),
        None => pattern.eq_ignore_ascii_case(host),
    }
}

/// Whether a request for `host` (without a port) was meant for something else than an endpoint with
/// these names, where `*.` stands for one label: the name is one of AWS's, and none of these.
///
/// With TLS a client never gets as far as a request at an endpoint whose certificate does not have
/// the name that it called; a name of another service, region or endpoint here is a client that was
/// led to the wrong place, and is told so. A name that is not AWS's says nothing: an address,
/// `localhost`, the near end of a tunnel, whatever the operator's own DNS or hosts file points here.
/// Nothing is lost by that: what an arrival means is known from the socket, never from the name, and
/// the signature binds the request to the name that the client used.
#[must_use]
pub fn is_misdirected(host: &str, names: &[String]) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    (is_of_aws(&host) || parse(&host).is_some()) && !names.iter().any(|name| matches(name, &host))
}

/// Whether a name (lower case) is in one of the domains under which AWS's services are called.
fn is_of_aws(host: &str) -> bool {
    const DOMAINS: [&str; 5] =
        ["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "amazonwebservices.com.cn", "aws"];
    let within = |domain: &&str| {
        host.strip_suffix(*domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    DOMAINS.iter().any(within)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BASE: &str = "api.sagemaker.us-west-2.vpce.amazonaws.com";

    #[test]
    fn names_are_read_back() {
        let id = "vpce-0123456789abcdef0";
        for (name, hash, zone) in [
            (regional(id, "a1b2c3d4", BASE), Some("a1b2c3d4"), None),
            (zonal(id, "a1b2c3d4", "us-west-2a", BASE), Some("a1b2c3d4"), Some("us-west-2a")),
            (format!("{id}.{BASE}"), None, None),
        ] {
            let expected = EndpointName { vpc_endpoint_id: id, hash, zone, base: BASE };
            assert_eq!(parse(&name), Some(expected), "{name}");
        }
    }

    #[test]
    fn other_names_are_none() {
        for other in [
            "api.sagemaker.us-west-2.amazonaws.com",
            "vpce-.api.example",
            "vpce-xyz.api.example",
            "vpce-1",
            "vpce-1.",
            "vpce-1-short.api.example",
            "vpce-1-a1b2c3d4-zone.api.example",
            "vpce-1-.api.example",
            "é.api",
            "",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_star_is_one_label() {
        assert!(matches("*.studio.us-west-2.sagemaker.aws", "d-1.Studio.us-west-2.sagemaker.aws"));
        assert!(!matches("*.studio.us-west-2.sagemaker.aws", "studio.us-west-2.sagemaker.aws"));
        assert!(!matches("*.studio.us-west-2.sagemaker.aws", "a.b.studio.us-west-2.sagemaker.aws"));
        assert!(matches(BASE, BASE));
    }

    #[test]
    fn names_of_others_are_told_from_names_that_say_nothing() {
        let own = "vpce-0123456789abcdef0-a1b2c3d4.api.sagemaker.us-west-2.vpce.amazonaws.com";
        let names = [own.to_owned(), "*.studio.us-west-2.sagemaker.aws".to_owned()];
        for good in [
            own,
            &own.to_uppercase(),
            &format!("{own}."),
            "d-abc.studio.us-west-2.sagemaker.aws",
            "127.65.0.1",
            "[::1]",
            "localhost",
            "sagemaker.localhost",
            "host.docker.internal",
            "notamazonaws.com",
            "vpce-1.example",
            "",
        ] {
            let endpoint = good == "vpce-1.example";
            assert_eq!(is_misdirected(good, &names), endpoint, "{good}");
        }
        for other in [
            "api.sagemaker.us-west-2.amazonaws.com",
            "api.sagemaker.eu-west-1.amazonaws.com.",
            "sts.us-west-2.amazonaws.com",
            "STS.amazonaws.com",
            "ec2.cn-north-1.amazonaws.com.cn",
            "ec2.us-west-2.api.aws",
            "vpce-1-a1b2c3d4.api.sagemaker.us-west-2.vpce.amazonaws.com",
            "x.d-abc.studio.us-west-2.sagemaker.aws",
            "amazonaws.com",
        ] {
            assert!(is_misdirected(other, &names), "{other}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(host in "\\PC{0,60}") {
            let _ = parse(&host);
            let _ = matches(&host, &host);
            let _ = is_misdirected(&host, std::slice::from_ref(&host));
        }
    }
}
