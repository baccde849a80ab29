use expect_test::{Expect, expect};
use http::{HeaderMap, Method};
use sagegate_model::{
    HttpBinding, Integer, Kind, Location, MemberSchema, ShapeSchema, StructSchema, route53,
};

use super::{Request, decode, find};
use crate::route::Head;
use crate::value::Value;

const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";

fn call(method: Method, path: &str, body: &str) -> Result<(&'static str, String), String> {
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    let head = Head { scope: Some("route53"), method, path, query, ..Head::default() };
    let shown =
        |error: crate::ApiError| format!("{} {}: {}", error.status, error.code, error.message);
    let call = head.call(&route53::SERVICE, body.as_bytes()).map_err(shown)?;
    let mut input =
        sagegate_api::input(call.service, call.operation.name).ok_or("501 not implemented")?;
    call.decode(&mut *input).map_err(shown)?;
    Ok((
        call.operation.name,
        crate::json::encode(&*input).iter().map(|it| char::from(*it)).collect(),
    ))
}

fn refused(body: &str, expect: Expect) {
    let body = body.replace("XMLNS", &format!("xmlns=\"{NAMESPACE}\""));
    expect.assert_eq(&call(Method::POST, "/2013-04-01/hostedzone", &body).unwrap_err());
}

#[test]
fn method_and_path_name_the_operation() {
    let of = |method, path: &str| call(method, path, "").map(|(name, _)| name);
    let zone = "/2013-04-01/hostedzone/Z1";
    assert_eq!(of(Method::GET, zone), Ok("GetHostedZone"));
    assert_eq!(of(Method::DELETE, zone), Ok("DeleteHostedZone"));
    assert_eq!(of(Method::POST, zone), Ok("UpdateHostedZoneComment"));
    assert_eq!(of(Method::GET, "/2013-04-01/hostedzone"), Ok("ListHostedZones"));
    assert_eq!(of(Method::GET, "/2013-04-01/hostedzone/"), Ok("ListHostedZones"));
    for path in ["/rrset", "/rrset/"] {
        assert_eq!(of(Method::GET, &format!("{zone}{path}")), Ok("ListResourceRecordSets"));
    }
    // A label does not hide what is written out.
    let own = |path| find(route53::SERVICE.bindings, "GET", path).map(|(it, _)| it.operation);
    assert_eq!(
        own("/2013-04-01/trafficpolicyinstances/hostedzone"),
        Some("ListTrafficPolicyInstancesByHostedZone")
    );
    for path in [
        "",
        "/",
        "//",
        "/2013-04-01",
        "/2013-04-01/hostedzone//rrset",
        "/2013-04-01/hostedzone/a/b/c",
    ] {
        assert_eq!(own(path), None, "{path}");
    }
    expect!["404 InvalidAction: No operation of this service has the method and path PUT /2013-04-01/hostedzone."]
        .assert_eq(&of(Method::PUT, "/2013-04-01/hostedzone").unwrap_err());
}

#[test]
fn members_stand_in_path_and_query() {
    let listed = call(Method::GET, "/2013-04-01/hostedzone/Z%31/rrset?name=a+b%2Ec&type=A&x=y", "");
    expect![[r#"{"Id":"Z1","name":"a b.c","type":"A"}"#]].assert_eq(&listed.unwrap().1);
    let plus = call(Method::GET, "/2013-04-01/hostedzone/a+b", "").unwrap();
    assert_eq!(plus.1, r#"{"Id":"a+b"}"#);
    let fails = |path, expect: Expect| {
        expect.assert_eq(&call(Method::GET, path, "").unwrap_err());
    };
    fails(
        "/2013-04-01/hostedzone/%ff",
        expect!["400 InvalidInput: It is not valid UTF-8. (at 'Id')"],
    );
    fails(
        "/2013-04-01/hostedzone?marker=a&marker=b",
        expect!["400 MalformedQueryString: The parameter marker is given more than once."],
    );
    fails(
        "/2013-04-01/hostedzone/Z12345678901234567890123456789012",
        expect![
            "400 InvalidInput: 1 validation error detected: Value 'Z12345678901234567890123456789012' at 'id' failed to satisfy constraint: Member must have length less than or equal to 32"
        ],
    );
}

#[test]
fn members_stand_in_headers() {
    static COUNT: ShapeSchema = ShapeSchema {
        name: "Count",
        sensitive: false,
        kind: Kind::Integer(Integer { min: None, max: None }),
    };
    static SCHEMA: StructSchema = StructSchema {
        name: "Request",
        sensitive: false,
        union: false,
        members: &[MemberSchema::new("Count", &COUNT)
            .wire("x-count", "x-count")
            .at(Location::Header)],
    };
    static BINDING: HttpBinding =
        HttpBinding { operation: "Count", method: "GET", path: "/{Rest+}", status: 200, root: "" };
    let read = |value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("x-count", value.parse().unwrap());
        let (labels, query) = (Vec::new(), None);
        let request =
            Request { binding: &BINDING, labels, query, headers: Some(&headers), body: b"" };
        decode(&route53::SERVICE, &SCHEMA, &request)
    };
    assert_eq!(read("5").unwrap(), [Some(Value::Int(5))]);
    read("five").unwrap_err();
    let (_, labels) = find(std::slice::from_ref(&BINDING), "GET", "/a/b").unwrap();
    assert_eq!(labels, [("Rest", "a/b")]);
}

#[test]
fn a_body_is_read() {
    let body = format!(
        "\u{FEFF}<?xml version=\"1.0\" encoding=\"UTF-8\"?><!-- c -->\n<CreateHostedZoneRequest \
         xmlns=\"{NAMESPACE}\" xmlns:x=\"y\">\n <Name>a&amp;b&#x41;<![CDATA[<c>]]></Name>\
         <CallerReference> r </CallerReference><HostedZoneConfig><PrivateZone> true \
         </PrivateZone></HostedZoneConfig><VPC/></CreateHostedZoneRequest>\n"
    );
    let read = call(Method::POST, "/2013-04-01/hostedzone", &body).unwrap();
    expect![[r#"{"Name":"a&bA<c>","VPC":{},"CallerReference":" r ","HostedZoneConfig":{"PrivateZone":true}}"#]]
        .assert_eq(&read.1);
}

#[test]
fn hostile_bodies_are_refused() {
    refused(
        "",
        expect![
            "400 InvalidInput: 2 validation errors detected: Value null at 'name' failed to satisfy constraint: Member must not be null; Value null at 'callerReference' failed to satisfy constraint: Member must not be null"
        ],
    );
    refused("no xml", expect!["400 InvalidInput: Invalid XML ; Content is not allowed in prolog."]);
    refused("<!-- -->", expect!["400 InvalidInput: Invalid XML ; There is no root element."]);
    refused(
        "<CreateHostedZoneRequest/>",
        expect![
            "400 InvalidInput: Invalid XML ; Cannot find the declaration of element 'CreateHostedZoneRequest'."
        ],
    );
    refused(
        "<Other XMLNS/>",
        expect!["400 InvalidInput: Invalid XML ; Cannot find the declaration of element 'Other'."],
    );
    refused(
        "<!DOCTYPE a [<!ENTITY b \"c\">]><CreateHostedZoneRequest XMLNS/>",
        expect!["400 InvalidInput: Invalid XML ; DOCTYPE is disallowed."],
    );
    refused(
        "<?p i?><CreateHostedZoneRequest XMLNS/>",
        expect!["400 InvalidInput: Invalid XML ; Processing instructions are disallowed."],
    );
    refused(
        "<CreateHostedZoneRequest XMLNS><Name>&lol;</Name></CreateHostedZoneRequest>",
        expect!["400 InvalidInput: Invalid XML ; The entity 'lol' was not declared."],
    );
    refused(
        "<CreateHostedZoneRequest XMLNS><Name>&#0;</Name></CreateHostedZoneRequest>",
        expect!["400 InvalidInput: Invalid XML ; The entity '#0' was not declared."],
    );
    refused(
        "<CreateHostedZoneRequest XMLNS><Name>a",
        expect![
            "400 InvalidInput: Invalid XML ; XML document structures must start and end within the same entity."
        ],
    );
    refused(
        "<CreateHostedZoneRequest XMLNS/><a/>",
        expect!["400 InvalidInput: Invalid XML ; Content is not allowed in trailing section."],
    );
    refused(
        "<CreateHostedZoneRequest XMLNS><Tea/></CreateHostedZoneRequest>",
        expect![
            "400 InvalidInput: Invalid XML ; Invalid content was found starting with element 'Tea'."
        ],
    );
    refused(
        "<CreateHostedZoneRequest XMLNS><Name a=\"b\"/></CreateHostedZoneRequest>",
        expect![
            "400 InvalidInput: Invalid XML ; Attribute 'a' is not allowed to appear in element 'Name'."
        ],
    );
    refused(
        "<CreateHostedZoneRequest XMLNS><Name>a</Name><Name>b</Name></CreateHostedZoneRequest>",
        expect!["400 InvalidInput: Invalid XML ; The element 'Name' stands twice."],
    );
    refused(
        "<CreateHostedZoneRequest XMLNS>a</CreateHostedZoneRequest>",
        expect!["400 InvalidInput: Invalid XML ; Text where elements are expected."],
    );
    refused(
        "<CreateHostedZoneRequest XMLNS><Name><b/></Name></CreateHostedZoneRequest>",
        expect!["400 InvalidInput: Invalid XML ; The element 'Name' has text alone."],
    );
    refused(
        "<CreateHostedZoneRequest XMLNS><HostedZoneConfig><PrivateZone>maybe</PrivateZone></HostedZoneConfig></CreateHostedZoneRequest>",
        expect![
            "400 InvalidInput: Invalid XML ; The value 'maybe' of element 'PrivateZone' is not a boolean."
        ],
    );
    let deep = "<a>".repeat(100_000);
    refused(
        &format!("<CreateHostedZoneRequest XMLNS>{deep}"),
        expect![
            "400 InvalidInput: Invalid XML ; Invalid content was found starting with element 'a'."
        ],
    );
}

#[test]
fn elements_are_bounded() {
    let changes = "<Change/>".repeat(100_000);
    let body = format!(
        "<ChangeResourceRecordSetsRequest xmlns=\"{NAMESPACE}\"><ChangeBatch><Changes>{changes}</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"
    );
    let error = call(Method::POST, "/2013-04-01/hostedzone/Z1/rrset", &body).unwrap_err();
    expect!["400 InvalidInput: Invalid XML ; The request has too many elements."].assert_eq(&error);
}
