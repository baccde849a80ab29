use super::*;
use hickory_proto::op::Query;
use proptest::prelude::*;
use sagegate_network::sketch;

const API: &str = "api.sagemaker.us-west-2.amazonaws.com.";

fn view() -> View {
    let text = "
        vpc vpc-a 10.0.0.0/16
        vpc vpc-b 10.1.0.0/16
        subnet subnet-1 vpc-a 10.0.1.0/24 az=us-west-2a
        endpoint vpce-0a vpc-a com.amazonaws.us-west-2.sagemaker.api subnet-1=10.0.1.50 private=api.sagemaker.us-west-2.amazonaws.com
    ";
    let topology = Arc::new(sketch::topology(text).unwrap());
    let region = "us-west-2".to_owned();
    View { topology, zones: zones(), public: public::services(&region), region }
}

fn zones() -> Vec<HostedZone> {
    use sagegate_network::dns::Record;
    let record = |name: &str, data| Record { name: name.to_owned(), ttl: 300, data };
    let other = |kind, wire: &[u8]| Data::Other { kind, text: String::new(), wire: wire.to_vec() };
    let records = vec![
        record("a.inner.test", Data::A([10, 0, 9, 1].into())),
        record("other.inner.test", Data::Cname("a.inner.test".to_owned())),
        record("*.wild.inner.test", Data::A([10, 0, 9, 2].into())),
        record("0/25.inner.test", Data::Cname("a\\056b.inner.test".to_owned())),
        record("a\\056b.inner.test", Data::A([10, 0, 9, 3].into())),
        record("text.inner.test", other(16, b"\x05hello\x05world")),
        record("_sip._tcp.inner.test", other(33, b"\0\x01\0\x02\0\x50\x01a\x05inner\x04test\0")),
    ];
    vec![HostedZone::of_records("Z1", "inner.test", vec!["vpc-a".to_owned()], records)]
}

fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

fn ask(vpc: &str, message: &Message) -> Message {
    let answer = answer(&view(), vpc, &message.to_vec().unwrap(), true).unwrap();
    Message::from_vec(&answer).unwrap()
}

fn addresses(message: &Message) -> Vec<IpAddr> {
    message.answers.iter().filter_map(|record| record.data.ip_addr()).collect()
}

#[test]
fn each_vpc_has_its_own_answers() {
    let inside = ask("vpc-a", &question(API, RecordType::A));
    assert_eq!(inside.metadata.id, 7);
    assert_eq!(inside.metadata.message_type, MessageType::Response);
    assert!(inside.metadata.recursion_desired && inside.metadata.recursion_available);
    assert_eq!(addresses(&inside), [IpAddr::from([10, 0, 1, 50])]);
    let public = ask("vpc-b", &question(API, RecordType::A));
    assert_eq!(addresses(&public), [IpAddr::from([203, 0, 113, 10])]);
}

#[test]
fn a_name_is_answered_as_it_was_written() {
    let name = "API.SageMaker.us-west-2.amazonaws.com.";
    let answer = ask("vpc-a", &question(name, RecordType::A));
    assert_eq!(answer.answers[0].name.to_ascii(), name);
    assert_eq!(addresses(&answer), [IpAddr::from([10, 0, 1, 50])]);
}

#[test]
fn private_zones_answer_in_their_vpcs() {
    let shown = |vpc, name: &str, kind| {
        let answer = ask(vpc, &question(name, kind));
        let records = answer.answers.iter().map(|record| record.to_string());
        (answer.metadata.response_code, records.collect::<Vec<_>>())
    };
    let (code, records) = shown("vpc-a", "other.inner.test.", RecordType::A);
    assert_eq!(code, ResponseCode::NoError);
    assert_eq!(
        records,
        ["other.inner.test. 300 IN CNAME a.inner.test.", "a.inner.test. 300 IN A 10.0.9.1",]
    );
    let (_, records) = shown("vpc-a", "text.inner.test.", RecordType::TXT);
    assert_eq!(records, ["text.inner.test. 300 IN TXT helloworld"]);
    let (_, records) = shown("vpc-a", "_sip._tcp.inner.test.", RecordType::SRV);
    assert_eq!(records, ["_sip._tcp.inner.test. 300 IN SRV 1 2 80 a.inner.test."]);
    let (_, records) = shown("vpc-a", "any.wild.inner.test.", RecordType::A);
    assert_eq!(records, ["any.wild.inner.test. 300 IN A 10.0.9.2"]);
    // Names of other letters, by the bytes of their labels: the answer has two records.
    let labels: [&[u8]; 3] = [b"0/25", b"inner", b"test"];
    let mut odd = question("inner.test.", RecordType::A);
    let mut name = Name::from_labels(labels).unwrap();
    name.set_fqdn(true);
    odd.queries = vec![Query::query(name, RecordType::A)];
    let answers = ask("vpc-a", &odd).answers;
    let labels: [&[u8]; 3] = [b"a.b", b"inner", b"test"];
    assert_eq!(answers[1].name.iter().collect::<Vec<_>>(), labels);
    assert_eq!(answers[1].data.ip_addr(), Some([10, 0, 9, 3].into()));
    assert_eq!(shown("vpc-a", "none.inner.test.", RecordType::A).0, ResponseCode::NXDomain);
    assert_eq!(shown("vpc-b", "a.inner.test.", RecordType::A).0, ResponseCode::NXDomain);
}

#[test]
fn what_is_not_there_is_told_apart() {
    let code = |name: &str, kind| ask("vpc-a", &question(name, kind)).metadata.response_code;
    assert_eq!(code("example.com.", RecordType::A), ResponseCode::NXDomain);
    let nothing = ask("vpc-a", &question(API, RecordType::AAAA));
    assert_eq!(nothing.metadata.response_code, ResponseCode::NoError);
    assert!(nothing.answers.is_empty());
    let nobody = ask("vpc-gone", &question(API, RecordType::A));
    assert_eq!(nobody.metadata.response_code, ResponseCode::Refused);
}

#[test]
fn what_is_no_question_is_refused_or_not_answered() {
    let mut other = question(API, RecordType::A);
    other.metadata.op_code = OpCode::Update;
    // An update's sections mean something else; whichever way it is read, it changes nothing.
    let refused = ask("vpc-a", &other).metadata.response_code;
    assert!([ResponseCode::NotImp, ResponseCode::FormErr].contains(&refused), "{refused}");
    let mut several = question(API, RecordType::A);
    several.add_query(several.queries[0].clone());
    assert_eq!(ask("vpc-a", &several).metadata.response_code, ResponseCode::FormErr);
    let mut chaos = question(API, RecordType::A);
    chaos.queries[0].set_query_class(DNSClass::CH);
    assert_eq!(ask("vpc-a", &chaos).metadata.response_code, ResponseCode::Refused);
    let mut newer = question(API, RecordType::A);
    let mut edns = Edns::new();
    edns.set_version(1);
    newer.set_edns(edns);
    // BADVERS, whose number two names have (RFC 6891, section 9).
    assert_eq!(u16::from(ask("vpc-a", &newer).metadata.response_code), 16);

    let mut broken = question(API, RecordType::A).to_vec().unwrap();
    broken.truncate(20);
    let answer = Message::from_vec(&answer(&view(), "vpc-a", &broken, true).unwrap()).unwrap();
    assert_eq!((answer.metadata.id, answer.metadata.response_code), (7, ResponseCode::FormErr));

    let mut reply = question(API, RecordType::A);
    reply.metadata.message_type = MessageType::Response;
    assert_eq!(super::answer(&view(), "vpc-a", &reply.to_vec().unwrap(), true), None);
    assert_eq!(super::answer(&view(), "vpc-a", &[0, 7], true), None);
}

#[test]
fn a_long_answer_is_asked_for_again_over_tcp() {
    let mut view = view();
    let address = |number: u8| Ipv4Addr::new(203, 0, 113, number);
    let mut topology = (*view.topology).clone();
    let interface = topology.interfaces.values_mut().next().unwrap();
    let one = interface.addresses[0];
    interface.addresses = (0..100)
        .map(|n| {
            let mut it = one;
            it.private = address(n).into();
            it
        })
        .collect();
    view.topology = Arc::new(topology);
    let mut message = question(API, RecordType::A);
    let size = |message: &Message, datagram| {
        let bytes = answer(&view, "vpc-a", &message.to_vec().unwrap(), datagram).unwrap();
        let read = Message::from_vec(&bytes).unwrap();
        (bytes.len(), read.metadata.truncation, read.answers.len())
    };
    let (length, truncated, records) = size(&message, true);
    assert!(length <= 512 && truncated && records == 0);
    let mut edns = Edns::new();
    edns.set_max_payload(65_535);
    message.set_edns(edns);
    let (length, truncated, _) = size(&message, true);
    assert!(length <= 1232 && truncated);
    let (_, truncated, records) = size(&message, false);
    assert!(!truncated && records == 100);
}

proptest! {
    #[test]
    fn nothing_panics_and_what_is_answered_is_small(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Some(answer) = answer(&view(), "vpc-a", &bytes, true) {
            prop_assert!(answer.len() <= usize::from(MOST_UDP));
            prop_assert_eq!(&answer[..2], &bytes[..2]);
        }
    }
}
