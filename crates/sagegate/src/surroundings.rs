//! What a program in a VPC finds around itself: who answers for names, and whom it trusts.

use std::net::IpAddr;

/// The variables by which clients find the certificate to trust.
pub(crate) const TRUST: [&str; 5] = [
    "AWS_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
];

/// The text of `/etc/resolv.conf`, as a VPC's DHCP options have it (Amazon VPC User Guide, "DHCP option
/// sets").
pub(crate) fn resolver(name_servers: &[IpAddr], search: &[String]) -> String {
    let servers = name_servers.iter();
    let mut lines: Vec<String> = servers.map(|it| format!("nameserver {it}")).collect();
    if lines.is_empty() {
        lines.push("# the hosts of this VPC are told of no name server".to_owned());
    }
    if !search.is_empty() {
        lines.push(format!("search {}", search.join(" ")));
    }
    lines.join("\n") + "\n"
}
