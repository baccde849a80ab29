use super::*;
use hickory_proto::op::Query;
use hickory_proto::rr::RecordType;
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
    View { topology, public: public::services(&region), region }
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
