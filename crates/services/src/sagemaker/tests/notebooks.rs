//! Notebook instances: their configurations, states, network, door, and what should run of them.

use expect_test::expect;
use sagegate_network::Arrival;

use super::*;
use crate::ec2::interface_shape::DescribeNetworkInterfaces;
use crate::ec2::network_interface::DeleteNetworkInterface;
use crate::sagemaker::notebook::{
    CreateNotebookInstance, DeleteNotebookInstance, StartNotebookInstance, StopNotebookInstance,
    UpdateNotebookInstance,
};
use crate::sagemaker::notebook_config::{
    CreateNotebookInstanceLifecycleConfig, DeleteNotebookInstanceLifecycleConfig,
    DescribeNotebookInstanceLifecycleConfig, ListNotebookInstanceLifecycleConfigs,
    UpdateNotebookInstanceLifecycleConfig,
};
use crate::sagemaker::notebook_read::{DescribeNotebookInstance, ListNotebookInstances};
use crate::sagemaker::notebook_records::{NOTEBOOKS, RUNS};
use crate::sagemaker::notebook_token::{self as door, NotebookDoor, NotebookNotAdmitted};
use crate::sagemaker::presigned_notebook::CreatePresignedNotebookInstanceUrl;
use crate::sagemaker::records::{DoorOf, DoorRecord, TAGS};
use crate::sagemaker::workload::{self, DesiredNotebook, Observed, Wanted};

const CREATED: &str = "ZWNobyBjcmVhdGVkCg==";
const STARTED: &str = "ZWNobyBzdGFydGVkCg==";

fn request(estate: &Estate, name: &str) -> api::CreateNotebookInstanceInput {
    api::CreateNotebookInstanceInput {
        notebook_instance_name: name.into(),
        instance_type: "ml.t3.medium".into(),
        role_arn: estate.role.clone(),
        ..Default::default()
    }
}

fn in_subnet(estate: &Estate, name: &str) -> api::CreateNotebookInstanceInput {
    api::CreateNotebookInstanceInput {
        subnet_id: Some(estate.subnet.clone()),
        security_group_ids: Some(vec![estate.group.clone()]),
        ..request(estate, name)
    }
}

fn create(estate: &Estate, input: api::CreateNotebookInstanceInput) -> String {
    estate.house.ok::<CreateNotebookInstance>(input).notebook_instance_arn.unwrap()
}

fn notebook(estate: &Estate, name: &str) -> api::DescribeNotebookInstanceOutput {
    estate.house.ok::<DescribeNotebookInstance>(api::DescribeNotebookInstanceInput {
        notebook_instance_name: name.into(),
    })
}

fn status(estate: &Estate, name: &str) -> String {
    notebook(estate, name).notebook_instance_status.unwrap().to_string()
}

fn desired(estate: &Estate) -> Vec<DesiredNotebook> {
    workload::notebooks(&estate.house.state()).unwrap()
}

fn report(estate: &Estate, id: &str, what: &Observed) {
    estate.house.within(|tx, within| workload::report(tx, within, id, what));
}

fn start(name: &str) -> api::StartNotebookInstanceInput {
    api::StartNotebookInstanceInput { notebook_instance_name: name.into() }
}

fn stop(name: &str) -> api::StopNotebookInstanceInput {
    api::StopNotebookInstanceInput { notebook_instance_name: name.into() }
}

fn delete(name: &str) -> api::DeleteNotebookInstanceInput {
    api::DeleteNotebookInstanceInput { notebook_instance_name: name.into() }
}

fn config(estate: &Estate, name: &str) {
    let hook = |content: &str| {
        Some(vec![api::NotebookInstanceLifecycleHook { content: Some(content.into()) }])
    };
    estate.house.ok::<CreateNotebookInstanceLifecycleConfig>(
        api::CreateNotebookInstanceLifecycleConfigInput {
            notebook_instance_lifecycle_config_name: name.into(),
            on_create: hook(CREATED),
            on_start: hook(STARTED),
            tags: None,
        },
    );
}

#[test]
fn the_status_follows_what_runs() {
    let estate = Estate::new();
    config(&estate, "Config");
    let mut given = request(&estate, "My-Notebook");
    given.lifecycle_config_name = Some("config".into());
    given.default_code_repository = Some("https://example.com/a.git".into());
    let arn = create(&estate, given);
    assert_eq!(arn, "arn:aws:sagemaker:us-west-2:123456789012:notebook-instance/my-notebook");
    assert_eq!(status(&estate, "MY-notebook"), "Pending");
    let [run] = desired(&estate).try_into().unwrap();
    assert_eq!((run.state, run.arn.as_str()), (Wanted::Run, arn.as_str()));
    assert_eq!(run.on_create.as_deref(), Some(&b"echo created\n"[..]));
    assert_eq!(run.on_start.as_deref(), Some(&b"echo started\n"[..]));
    assert_eq!(run.repositories, ["https://example.com/a.git"]);
    assert!(run.opens_in_repository && run.direct_internet && run.root_access);
    assert!(workload::homes(&estate.house.state()).unwrap().contains(&run.home));
    let text = estate.house.fails::<StopNotebookInstance>(stop("my-notebook"));
    assert_eq!(
        text,
        format!(
            "ValidationException (400): Status (Pending) not in ([InService]). Unable to transition \
             to (Stopping) for Notebook Instance ({arn})."
        )
    );

    report(&estate, &run.id, &Observed::Serving);
    assert_eq!(status(&estate, "my-notebook"), "InService");
    // What ran for the creation does not run again.
    assert_eq!(desired(&estate)[0].on_create, None);
    let text = estate.house.fails::<DeleteNotebookInstance>(delete("my-notebook"));
    assert!(text.contains("Status (InService) not in ([Stopped, Failed])."), "{text}");
    estate.house.ok::<StopNotebookInstance>(stop("my-notebook"));
    assert_eq!(status(&estate, "my-notebook"), "Stopping");
    assert_eq!(desired(&estate)[0].state, Wanted::Stop);
    report(&estate, &run.id, &Observed::Stopped);
    assert_eq!(status(&estate, "my-notebook"), "Stopped");
    assert!(desired(&estate).is_empty());

    estate.house.ok::<StartNotebookInstance>(start("my-notebook"));
    let [again] = desired(&estate).try_into().unwrap();
    assert_ne!(again.id, run.id);
    assert_eq!((again.home, again.on_create), (run.home, None));
    // What is seen of the old run says nothing of the new one.
    report(&estate, &run.id, &Observed::Serving);
    assert_eq!(status(&estate, "my-notebook"), "Pending");
    report(&estate, &again.id, &Observed::Failed("no JupyterLab".into()));
    let failed = notebook(&estate, "my-notebook");
    assert_eq!(failed.notebook_instance_status, Some(api::NotebookInstanceStatus::Failed));
    assert_eq!(failed.failure_reason.as_deref(), Some("no JupyterLab"));

    estate.house.ok::<DeleteNotebookInstance>(delete("my-notebook"));
    let gone = estate.house.fails::<DeleteNotebookInstance>(delete("my-notebook"));
    assert_eq!(
        gone,
        format!(
            "ValidationException (400): RecordNotFound: Notebook Instance [{arn}] does not exist."
        )
    );
    let state = estate.house.state();
    assert_eq!(RUNS.count(&state, &()).unwrap(), 0);
    assert_eq!(DOORS.count(&state, &()).unwrap(), 0);
    assert_eq!(NOTEBOOKS.count(&state, &()).unwrap(), 0);
    assert_eq!(TAGS.count(&state, &()).unwrap(), 0);
}

#[test]
fn an_instance_in_a_subnet_holds_an_interface_there_until_it_is_deleted() {
    let estate = Estate::new();
    create(&estate, in_subnet(&estate, "nb"));
    let id = notebook(&estate, "nb").network_interface_id.unwrap();
    let input = ec2_api::DescribeNetworkInterfacesRequest::default();
    let interfaces =
        || estate.house.ok::<DescribeNetworkInterfaces>(input.clone()).network_interfaces.unwrap();
    let [interface] = interfaces().try_into().unwrap();
    assert_eq!(interface.network_interface_id.as_deref(), Some(&*id));
    assert_eq!(interface.subnet_id, Some(estate.subnet.clone()));
    assert_eq!(interface.requester_managed, Some(true));
    let groups: Vec<_> =
        interface.groups.unwrap().into_iter().map(|it| it.group_id.unwrap()).collect();
    assert_eq!(groups, std::slice::from_ref(&estate.group));
    let text =
        estate.house.fails::<DeleteNetworkInterface>(ec2_api::DeleteNetworkInterfaceRequest {
            network_interface_id: id,
            ..Default::default()
        });
    assert!(text.contains("is currently in use"), "{text}");
    // A stop keeps it.
    let run = desired(&estate).remove(0).id;
    report(&estate, &run, &Observed::Serving);
    estate.house.ok::<StopNotebookInstance>(stop("nb"));
    report(&estate, &run, &Observed::Stopped);
    estate.house.ok::<StartNotebookInstance>(start("nb"));
    assert_eq!(interfaces().len(), 1);
    report(&estate, &desired(&estate)[0].id, &Observed::Failed("x".into()));
    estate.house.ok::<DeleteNotebookInstance>(delete("nb"));
    assert!(interfaces().is_empty());
}

#[test]
fn a_subnet_without_addresses_fails_the_instance() {
    let estate = Estate::new();
    let small = subnet(&estate.house, &estate.vpc, "10.0.2.0/28");
    for _ in 0..11 {
        estate.house.ok::<crate::ec2::network_interface::CreateNetworkInterface>(
            ec2_api::CreateNetworkInterfaceRequest {
                subnet_id: small.clone(),
                ..Default::default()
            },
        );
    }
    create(
        &estate,
        api::CreateNotebookInstanceInput { subnet_id: Some(small), ..request(&estate, "nb") },
    );
    let failed = notebook(&estate, "nb");
    assert_eq!(failed.notebook_instance_status, Some(api::NotebookInstanceStatus::Failed));
    assert!(failed.failure_reason.is_some());
    assert!(desired(&estate).is_empty());
    estate.house.ok::<DeleteNotebookInstance>(delete("nb"));
}

#[test]
fn nothing_runs_before_the_door_is_open() {
    let estate = Estate::standing_still();
    let env = estate.house.gate.env().clone();
    let advance = || {
        for work in crate::sagemaker::resource_work::noted(&estate.house.state()).unwrap() {
            let done = |tx: &mut Tx| crate::sagemaker::resource_work::advance(tx, &env, &work);
            estate.house.transact(done);
        }
    };
    create(&estate, request(&estate, "nb"));
    advance();
    assert!(desired(&estate).is_empty());
    assert_eq!(notebook(&estate, "nb").url, None);
    estate.house.transact(|tx| bind_all(tx, &Binding::Bound));
    advance();
    assert_eq!(desired(&estate).len(), 1);
    assert_eq!(notebook(&estate, "nb").url.as_deref(), Some("127.66.0.1:4566"));

    create(&estate, request(&estate, "other"));
    estate.house.transact(|tx| bind_all(tx, &Binding::Failed("taken".into())));
    advance();
    let failed = notebook(&estate, "other");
    assert_eq!(failed.notebook_instance_status, Some(api::NotebookInstanceStatus::Failed));
    assert!(failed.failure_reason.unwrap().ends_with("cannot be opened: taken"));
}

#[test]
fn what_cannot_be_is_refused() {
    let estate = Estate::new();
    let house = &estate.house;
    create(&estate, request(&estate, "nb"));
    let other_vpc = vpc(house, "10.9.0.0/16");
    let other_subnet = subnet(house, &other_vpc, "10.9.1.0/24");
    let mut text = String::new();
    let mut fails = |change: &dyn Fn(&mut api::CreateNotebookInstanceInput)| {
        let mut given = in_subnet(&estate, "two");
        change(&mut given);
        let line = house.fails::<CreateNotebookInstance>(given);
        let line = line.replace(&other_vpc, "VPC").replace(&estate.group, "GROUP");
        text.push_str(&(line + "\n"));
    };
    fails(&|it| it.notebook_instance_name = "NB".into());
    fails(&|it| it.subnet_id = Some("subnet-no".into()));
    fails(&|it| it.security_group_ids = Some(vec!["sg-no".into()]));
    fails(&|it| it.subnet_id = Some(other_subnet.clone()));
    fails(&|it| it.subnet_id = None);
    fails(&|it| {
        it.subnet_id = None;
        it.security_group_ids = None;
        it.direct_internet_access = Some(api::DirectInternetAccess::Disabled);
    });
    fails(&|it| it.ip_address_type = Some(api::IPAddressType::Dualstack));
    fails(&|it| it.default_code_repository = Some("name".into()));
    fails(&|it| it.lifecycle_config_name = Some("No".into()));
    fails(&|it| it.role_arn = "arn:aws:iam::123456789012:role/no".into());
    expect![[r#"
        ValidationException (400): Cannot create a duplicate Notebook Instance (arn:aws:sagemaker:us-west-2:123456789012:notebook-instance/nb)
        ValidationException (400): The subnet ID 'subnet-no' does not exist.
        ValidationException (400): The security group 'sg-no' does not exist.
        ValidationException (400): The security group 'GROUP' is not in the vpc 'VPC' of the subnet.
        ValidationException (400): SecurityGroupIds can be given only together with SubnetId.
        ValidationException (400): DirectInternetAccess can be Disabled only if SubnetId is given.
        ValidationException (400): IpAddressType dualstack needs a subnet with an IPv6 CIDR block; no subnet has one.
        ValidationException (400): The code repository 'name' does not exist. Give the URL of a repository.
        ValidationException (400): Unable to describe Notebook Instance Lifecycle Config 'arn:aws:sagemaker:us-west-2:123456789012:notebook-instance-lifecycle-config/no'. (Details: Notebook Instance Lifecycle Config does not exist.)
        ValidationException (400): Could not assume role arn:aws:iam::123456789012:role/no. Please ensure that the role exists and allows principal 'sagemaker.amazonaws.com' to assume the role.
    "#]]
    .assert_eq(&text);
}

#[test]
fn an_update_changes_what_it_names_of_an_instance_at_rest() {
    let estate = Estate::new();
    config(&estate, "config");
    create(&estate, request(&estate, "nb"));
    let update = |change: &dyn Fn(&mut api::UpdateNotebookInstanceInput)| {
        let mut given = api::UpdateNotebookInstanceInput {
            notebook_instance_name: "nb".into(),
            ..Default::default()
        };
        change(&mut given);
        given
    };
    let text = estate.house.fails::<UpdateNotebookInstance>(update(&|_| ()));
    assert!(text.contains("Unable to transition to (Updating)"), "{text}");
    report(&estate, &desired(&estate)[0].id, &Observed::Failed("x".into()));
    estate.house.ok::<UpdateNotebookInstance>(update(&|it| {
        it.instance_type = Some("ml.m5.large".into());
        it.volume_size_in_gb = Some(20);
        it.lifecycle_config_name = Some("config".into());
        it.root_access = Some(api::RootAccess::Disabled);
    }));
    let now = notebook(&estate, "nb");
    assert_eq!(now.notebook_instance_status, Some(api::NotebookInstanceStatus::Stopped));
    assert_eq!(now.instance_type.as_deref(), Some("ml.m5.large"));
    assert_eq!(now.volume_size_in_gb, Some(20));
    assert_eq!(now.notebook_instance_lifecycle_config_name.as_deref(), Some("config"));
    assert_eq!(now.failure_reason, None);
    let text =
        estate.house.fails::<UpdateNotebookInstance>(update(&|it| it.volume_size_in_gb = Some(10)));
    assert!(text.contains("cannot be decreased from 20 to 10"), "{text}");
    let text = estate.house.fails::<UpdateNotebookInstance>(update(&|it| {
        it.lifecycle_config_name = Some("config".into());
        it.disassociate_lifecycle_config = Some(true);
    }));
    assert!(text.contains("set and disassociated"), "{text}");
    let gone = || api::DeleteNotebookInstanceLifecycleConfigInput {
        notebook_instance_lifecycle_config_name: "CONFIG".into(),
    };
    let text = estate.house.fails::<DeleteNotebookInstanceLifecycleConfig>(gone());
    assert!(text.contains("is associated with Notebook Instance"), "{text}");
    estate
        .house
        .ok::<UpdateNotebookInstance>(update(&|it| it.disassociate_lifecycle_config = Some(true)));
    estate.house.ok::<DeleteNotebookInstanceLifecycleConfig>(gone());
    assert_eq!(notebook(&estate, "nb").notebook_instance_lifecycle_config_name, None);
}

#[test]
fn a_changed_configuration_runs_at_the_next_start() {
    let estate = Estate::new();
    config(&estate, "Config");
    let mut given = request(&estate, "nb");
    given.lifecycle_config_name = Some("Config".into());
    create(&estate, given);
    estate.house.ok::<UpdateNotebookInstanceLifecycleConfig>(
        api::UpdateNotebookInstanceLifecycleConfigInput {
            notebook_instance_lifecycle_config_name: "config".into(),
            on_create: None,
            on_start: Some(Vec::new()),
        },
    );
    let described = estate.house.ok::<DescribeNotebookInstanceLifecycleConfig>(
        api::DescribeNotebookInstanceLifecycleConfigInput {
            notebook_instance_lifecycle_config_name: "config".into(),
        },
    );
    assert_eq!(described.on_start, Some(Vec::new()));
    assert_eq!(described.on_create.unwrap()[0].content.as_deref(), Some(CREATED));
    let run = desired(&estate).remove(0);
    assert!(run.on_start.is_some());
    report(&estate, &run.id, &Observed::Failed("x".into()));
    estate.house.ok::<StartNotebookInstance>(start("nb"));
    let again = desired(&estate).remove(0);
    assert_eq!(again.on_start, None);
    // It has never served, so what belongs to the creation is still to be done.
    assert!(again.on_create.is_some());
    let list = estate.house.ok::<ListNotebookInstanceLifecycleConfigs>(Default::default());
    assert_eq!(list.notebook_instance_lifecycle_configs.unwrap().len(), 1);
}

#[test]
fn lists_of_instances_are_filtered_and_sorted() {
    let estate = Estate::new();
    for name in ["b", "c", "a"] {
        create(&estate, request(&estate, name));
        estate.house.clock.advance_millis(1_000);
    }
    let run = desired(&estate).remove(0).id;
    report(&estate, &run, &Observed::Serving);
    let names = |input: api::ListNotebookInstancesInput| {
        let found = estate.house.ok::<ListNotebookInstances>(input).notebook_instances.unwrap();
        found.into_iter().map(|it| it.notebook_instance_name.unwrap()).collect::<Vec<_>>().join(" ")
    };
    let all = api::ListNotebookInstancesInput::default;
    assert_eq!(names(all()), "a b c");
    let by = |by, order| api::ListNotebookInstancesInput {
        sort_by: Some(by),
        sort_order: Some(order),
        ..all()
    };
    use api::{NotebookInstanceSortKey as Key, NotebookInstanceSortOrder as Order};
    assert_eq!(names(by(Key::CreationTime, Order::Descending)), "a c b");
    assert_eq!(names(by(Key::Status, Order::Ascending)), "a b c");
    let serving = api::ListNotebookInstancesInput {
        status_equals: Some(api::NotebookInstanceStatus::InService),
        ..all()
    };
    assert_eq!(names(serving), "a");
    let start = sagegate_model::Timestamp::from(START);
    let later = api::ListNotebookInstancesInput { creation_time_after: Some(start), ..all() };
    assert_eq!(names(later), "a c");
    let with_config = api::ListNotebookInstancesInput {
        notebook_instance_lifecycle_config_name_contains: Some("x".into()),
        ..all()
    };
    assert_eq!(names(with_config), "");
}

/// What a case changes of a request.
type Change<'a> = &'a dyn Fn(&mut api::CreateNotebookInstanceInput);

#[test]
fn conditions_see_what_the_request_says_and_what_it_leaves_open() {
    let estate = Estate::new();
    config(&estate, "config");
    let cases: [(&str, &str, Change<'_>); 8] = [
        ("DirectInternetAccess", "Enabled", &|_| ()),
        ("RootAccess", "Enabled", &|_| ()),
        ("MinimumInstanceMetadataServiceVersion", "1", &|_| ()),
        ("InstanceTypes", "ml.t3.medium", &|_| ()),
        ("VpcSubnets", &estate.subnet, &|_| ()),
        ("VpcSecurityGroupIds", &estate.group, &|_| ()),
        ("AcceleratorTypes", "ml.eia1.medium", &|it| {
            it.accelerator_types = Some(vec![api::NotebookInstanceAcceleratorType::MlEia1Medium]);
        }),
        (
            "NotebookInstanceLifecycleConfigArns",
            "arn:aws:sagemaker:us-west-2:123456789012:notebook-instance-lifecycle-config/config",
            &|it| it.lifecycle_config_name = Some("CONFIG".into()),
        ),
    ];
    for (key, value, change) in cases {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"*","Resource":"*"}},
            {{"Effect":"Deny","Action":"sagemaker:CreateNotebookInstance","Resource":"*","Condition":
            {{"ForAnyValue:StringEquals":{{"sagemaker:{key}":"{value}"}}}}}}]}}"#
        );
        let caller = estate.house.user_with_policy(key, &text);
        let mut given = in_subnet(&estate, "nb");
        change(&mut given);
        let text = estate.house.fails_for::<CreateNotebookInstance>(&caller, given);
        assert!(text.contains("explicit deny"), "{key}: {text}");
    }
}

fn token_of(url: &str) -> String {
    url.split_once("?authToken=").unwrap().1.to_owned()
}

#[test]
fn a_presigned_url_opens_its_instance_once_and_a_session_ends_with_it() {
    let estate = Estate::new();
    let input = |name: &str| api::CreatePresignedNotebookInstanceUrlInput {
        notebook_instance_name: name.into(),
        session_expiration_duration_in_seconds: Some(1_800),
    };
    create(&estate, request(&estate, "nb"));
    create(&estate, request(&estate, "other"));
    let text = estate.house.fails::<CreatePresignedNotebookInstanceUrl>(input("nb"));
    assert!(text.contains("is not InService; its status is Pending"), "{text}");
    let run = desired(&estate).into_iter().find(|it| it.name == "nb").unwrap().id;
    report(&estate, &run, &Observed::Serving);
    let make = || {
        let url = estate.house.ok::<CreatePresignedNotebookInstanceUrl>(input("nb"));
        url.authorized_url.unwrap()
    };
    let url = make();
    assert!(url.starts_with("http://127.66.0.1:4566?authToken="), "{url}");
    let token = token_of(&url);
    let (env, vault) = (estate.house.gate.env().clone(), estate.house.gate.vault().clone());
    let own = NotebookDoor { scope: estate.house.scope(), name: "nb".into() };
    let wrong = NotebookDoor { name: "other".into(), ..own.clone() };
    let refused = |found: Result<_, door::NotebookRefused>| match found.map(|_: ()| ()) {
        Err(door::NotebookRefused::NotAdmitted(why)) => Some(why),
        _ => None,
    };
    let seen = |at: &NotebookDoor, token: &str| {
        let now = env.now();
        door::token(&estate.house.state(), &vault, now, at, token).map(|_| ())
    };
    assert_eq!(refused(seen(&wrong, &token)), Some(NotebookNotAdmitted::Unknown));
    assert_eq!(refused(seen(&own, "x")), Some(NotebookNotAdmitted::Unknown));
    assert_eq!(refused(seen(&own, &token)), None);
    let redeem = |token: &str| {
        estate.house.transact(|tx| {
            Ok(door::redeem(tx, (&env, &vault), env.now(), &own, token)
                .map_err(|it| it.to_string()))
        })
    };
    let opened = redeem(&token).unwrap();
    assert_eq!((opened.max_age, opened.visit.notebook.name.as_str()), (1_800, "nb"));
    assert!(redeem(&token).is_err());
    let cookie = opened.cookie.reveal().to_owned();
    let session = |at: &NotebookDoor| {
        door::session(&estate.house.state(), &vault, env.now(), at, &cookie).map(|_| ())
    };
    assert_eq!(refused(session(&own)), None);
    assert_eq!(refused(session(&wrong)), Some(NotebookNotAdmitted::Unknown));

    // A token lives for five minutes, a session for as long as was asked.
    let late = token_of(&make());
    estate.house.clock.advance_millis(300_000);
    assert_eq!(refused(seen(&own, &late)), Some(NotebookNotAdmitted::Unknown));
    estate.house.ok::<StopNotebookInstance>(stop("nb"));
    assert_eq!(refused(session(&own)), Some(NotebookNotAdmitted::NotInService));
    report(&estate, &run, &Observed::Stopped);
    estate.house.ok::<DeleteNotebookInstance>(delete("nb"));
    create(&estate, request(&estate, "nb"));
    assert_eq!(refused(session(&own)), Some(NotebookNotAdmitted::Gone));
    estate.house.clock.advance_millis(1_800_000);
    assert_eq!(refused(session(&own)), Some(NotebookNotAdmitted::Expired));
}

/// The policies hold on every request, with the network of that request (SPEC T7, T8).
#[test]
fn a_visit_needs_the_permission_of_the_url() {
    let estate = Estate::new();
    create(&estate, request(&estate, "nb"));
    report(&estate, &desired(&estate)[0].id, &Observed::Serving);
    let caller = estate.house.user_with_policy(
        "ann",
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Resource":"*",
        "Action":"sagemaker:CreatePresignedNotebookInstanceUrl",
        "Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}}}"#,
    );
    let input = api::CreatePresignedNotebookInstanceUrlInput {
        notebook_instance_name: "nb".into(),
        ..Default::default()
    };
    let url = estate.house.call::<CreatePresignedNotebookInstanceUrl>(&caller, input).unwrap();
    let token = token_of(&url.authorized_url.unwrap());
    let at = NotebookDoor { scope: estate.house.scope(), name: "NB".into() };
    let (env, vault) = (estate.house.gate.env(), estate.house.gate.vault());
    let state = estate.house.state();
    let visit = door::token(&state, vault, env.now(), &at, &token).unwrap();
    let from = |address: &str| {
        let context = sagegate_gate::Context {
            caller: visit.caller.clone(),
            arrival: Arrival::Public { source_ip: address.parse().unwrap() },
            request_id: "r".into(),
            user_agent: String::new(),
            now: env.now(),
            secure: false,
        };
        estate.house.gate.check(&context, visit.needs(&state).unwrap()).is_ok()
    };
    assert!(from("203.0.113.9"));
    assert!(!from("198.51.100.1"));
}

/// Doors of a store from before there were notebook instances are still those of their domains.
#[test]
fn a_door_of_the_first_version_is_that_of_its_domain() {
    use sagegate_store::Record as _;
    let old = serde_json::json!({
        "account": "123456789012", "region": "us-west-2", "domain": "d-abc", "binding": "bound"
    });
    let door: DoorRecord =
        serde_json::from_value(DoorRecord::upgrade(1, old.clone()).unwrap()).unwrap();
    assert_eq!(door.of, DoorOf::Domain(DomainId::parse("d-abc").unwrap()));
    assert_eq!(door.binding, Binding::Bound);
    assert!(DoorRecord::upgrade(0, old).is_err());
    assert!(DoorRecord::upgrade(1, serde_json::json!({})).is_err());
}
