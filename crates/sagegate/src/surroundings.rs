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

/// The text of `/etc/resolv.conf`, as the VPC's default DHCP options have it (Amazon VPC User Guide,
/// "DHCP option sets"). There is no resolver where the VPC's `enableDnsSupport` is off.
pub(crate) fn resolver(region: &str, resolver: Option<IpAddr>) -> String {
    let Some(address) = resolver else {
        return "# enableDnsSupport of this VPC is off\n".to_owned();
    };
    let domain = match region {
        "us-east-1" => "ec2.internal".to_owned(),
        region => format!("{region}.compute.internal"),
    };
    format!("nameserver {address}\nsearch {domain}\n")
}
