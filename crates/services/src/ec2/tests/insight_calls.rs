//! Reachability Analyzer: its calls, their errors, permissions and quotas, and what its answers have to
//! do with the packet walk.

use expect_test::expect;
use proptest::prelude::*;
use sagegate_api::ec2 as api;
use sagegate_gate::env::Time;
use sagegate_network::security_group::{Packet, TCP};
use sagegate_network::walk::{Question, Source, Walker};

use super::acls::{acl, association_of};
use super::insights::{Site, analysis, described, path, path_input, start_input};
use super::permissions::{ARN, policy};
use super::{filter, let_in, named, range};
use crate::ec2::managed_prefix_list::remove::DeleteManagedPrefixList;
use crate::ec2::network_acl::associations::ReplaceNetworkAclAssociation;
use crate::ec2::network_acl::entries::CreateNetworkAclEntry;
use crate::ec2::network_insights::analyses::{
    DeleteNetworkInsightsAnalysis, DescribeNetworkInsightsAnalyses, StartNetworkInsightsAnalysis,
};
use crate::ec2::network_insights::paths::{
    CreateNetworkInsightsPath, DeleteNetworkInsightsPath, DescribeNetworkInsightsPaths,
};
use crate::ec2::network_insights::records::InsightsAnalysis;
use crate::ec2::records;
use crate::testing::House;

fn ports(from: i32, to: i32) -> Option<api::RequestFilterPortRange> {
    Some(api::RequestFilterPortRange { from_port: Some(from), to_port: Some(to) })
}

fn all_paths(house: &House, filters: Option<Vec<api::Filter>>) -> Vec<String> {
    let input = api::DescribeNetworkInsightsPathsRequest { filters, ..Default::default() };
    let found = house.ok::<DescribeNetworkInsightsPaths>(input).network_insights_paths.unwrap();
    found.into_iter().filter_map(|path| path.network_insights_path_id).collect()
}

#[test]
fn a_path_is_kept_as_it_was_asked_for() {
    let site = Site::new();
    let house = &site.house;
    let asked = api::CreateNetworkInsightsPathRequest {
        source: format!("{ARN}:internet-gateway/{}", site.gateway),
        destination: Some(site.web.clone()),
        protocol: api::Protocol::Udp,
        client_token: "one".into(),
        filter_at_source: Some(api::PathRequestFilter {
            source_address: Some("9.9.9.9".into()),
            destination_port_range: ports(22, 80),
            ..Default::default()
        }),
        tag_specifications: named("network-insights-path", "Team", "ml"),
        ..Default::default()
    };
    let made = house.ok::<CreateNetworkInsightsPath>(asked.clone()).network_insights_path.unwrap();
    let id = made.network_insights_path_id.clone().unwrap();
    assert_eq!(made.source, Some(site.gateway.clone()));
    assert_eq!(made.source_arn, Some(asked.source.clone()));
    assert_eq!(made.destination_arn, Some(format!("{ARN}:network-interface/{}", site.web)));
    assert_eq!(made.network_insights_path_arn, Some(format!("{ARN}:network-insights-path/{id}")));
    assert_eq!(made.protocol, Some(api::Protocol::Udp));
    assert_eq!(made.tags.as_deref(), Some(&[super::tag("Team", "ml")][..]));
    let at_source = made.filter_at_source.clone().unwrap();
    assert_eq!(at_source.source_address.as_deref(), Some("9.9.9.9"));
    assert_eq!(
        at_source.destination_port_range,
        Some(api::FilterPortRange { from_port: Some(22), to_port: Some(80) })
    );
    // The same request again makes nothing, another one with its token fails.
    let again = house.ok::<CreateNetworkInsightsPath>(asked.clone()).network_insights_path;
    assert_eq!(again, Some(made.clone()));
    let other = api::CreateNetworkInsightsPathRequest { protocol: api::Protocol::Tcp, ..asked };
    let text = house.fails::<CreateNetworkInsightsPath>(other);
    assert!(text.starts_with("IdempotentParameterMismatch"), "{text}");

    let second = path(house, path_input(&site.app, &site.web, Some(443)));
    let found = |name: &str, value: &str| all_paths(house, filter(name, &[value]));
    assert_eq!(found("source", &site.gateway), std::slice::from_ref(&id));
    assert_eq!(found("destination", &site.web).len(), 2);
    assert_eq!(found("protocol", "tcp"), std::slice::from_ref(&second));
    assert_eq!(found("filter-at-source.source-address", "9.9.9.*"), std::slice::from_ref(&id));
    assert_eq!(found("filter-at-source.destination-port-range", "22-80").len(), 1);
    assert_eq!(found("filter-at-destination.source-address", "*").len(), 0);
    assert_eq!(found("tag:Team", "ml"), std::slice::from_ref(&id));
    let page =
        api::DescribeNetworkInsightsPathsRequest { max_results: Some(1), ..Default::default() };
    let first = house.ok::<DescribeNetworkInsightsPaths>(page.clone());
    assert_eq!(first.network_insights_paths.unwrap().len(), 1);
    let next = api::DescribeNetworkInsightsPathsRequest { next_token: first.next_token, ..page };
    let last = house.ok::<DescribeNetworkInsightsPaths>(next);
    assert_eq!((last.network_insights_paths.unwrap().len(), last.next_token), (1, None));
}

#[test]
fn what_no_path_can_be_is_refused() {
    let site = Site::new();
    let asked = || path_input(&site.app, &site.web, None);
    let fails = |input| site.house.fails::<CreateNetworkInsightsPath>(input);
    let source =
        |text: &str| api::CreateNetworkInsightsPathRequest { source: text.into(), ..asked() };
    for (text, code) in [
        ("eni-0123456789abcdef0", "NetworkInsightsSource.NotFound"),
        ("i-0123456789abcdef0", "NetworkInsightsSource.NotFound"),
        ("tgw-0123456789abcdef0", "NetworkInsightsSource.NotFound"),
        ("vpce-svc-0123456789abcdef0", "NetworkInsightsSource.NotFound"),
        (
            "arn:aws:ec2:us-west-2:210987654321:network-interface/eni-0123456789abcdef0",
            "NetworkInsightsSource.NotFound",
        ),
        ("eni-XYZ", "InvalidNetworkInterfaceID.Malformed"),
        ("subnet-0123456789abcdef0", "InvalidParameterValue"),
        ("i-*", "InvalidParameterValue"),
        ("arn:aws:s3:::eni-0123456789abcdef0", "InvalidParameterValue"),
        ("anything", "InvalidParameterValue"),
        ("pcx-0123456789abcdef0", "UnsupportedOperation"),
    ] {
        let found = fails(source(text));
        assert!(found.starts_with(&format!("{code} (400)")), "{text}: {found}");
    }
    let destination = api::CreateNetworkInsightsPathRequest {
        destination: Some("igw-0123456789abcdef0".into()),
        ..asked()
    };
    assert!(fails(destination).starts_with("NetworkInsightsDestination.NotFound (400)"));
    let nowhere = api::CreateNetworkInsightsPathRequest { destination: None, ..asked() };
    expect!["MissingParameter (400): The request must include either the Destination parameter or the FilterAtSource.DestinationAddress parameter. Add the required parameter and retry the request."]
        .assert_eq(&fails(nowhere));
    let some = || Some(api::PathRequestFilter::default());
    let with = |change: fn(&mut api::CreateNetworkInsightsPathRequest)| {
        let mut input = asked();
        change(&mut input);
        input
    };
    for (mut input, code) in [
        (with(|it| it.source_ip = Some("10.0.0.1".into())), "InvalidParameterCombination"),
        (with(|it| it.destination_port = Some(443)), "InvalidParameterCombination"),
        (with(|it| it.source_ip = Some("10.0.0.999".into())), "InvalidParameterCombination"),
    ] {
        input.filter_at_source = some();
        let found = fails(input);
        assert!(found.starts_with(code), "{found}");
    }
    let mut both = with(|it| it.destination_ip = Some("10.0.0.1".into()));
    both.filter_at_destination = some();
    assert!(fails(both).starts_with("InvalidParameterCombination"));
    let wrong = with(|it| it.source_ip = Some("10.0.0.999".into()));
    expect!["InvalidParameterValue (400): Value (10.0.0.999) for parameter sourceIp is invalid."]
        .assert_eq(&fails(wrong));
    for (range, code) in [
        (ports(2, 1), "InvalidParameterValue"),
        (
            Some(api::RequestFilterPortRange { from_port: Some(1), to_port: None }),
            "MissingParameter",
        ),
    ] {
        let at_source = api::PathRequestFilter { source_port_range: range, ..Default::default() };
        let found = fails(api::CreateNetworkInsightsPathRequest {
            filter_at_source: Some(at_source),
            ..asked()
        });
        assert!(found.starts_with(code), "{found}");
    }
}

#[test]
fn analyses_belong_to_their_path_and_are_kept_for_120_days() {
    let site = Site::new();
    let house = &site.house;
    let id = path(house, path_input(&site.app, &site.gateway, Some(443)));
    let asked = api::StartNetworkInsightsAnalysisRequest {
        tag_specifications: named("network-insights-analysis", "Team", "ml"),
        ..start_input(house, &id)
    };
    let first = analysis(house, asked.clone());
    assert_eq!(first.network_path_found, Some(true));
    let again = house.ok::<StartNetworkInsightsAnalysis>(asked).network_insights_analysis.unwrap();
    assert_eq!(again, first, "the token has made it before");
    let list = |change: &dyn Fn(&mut api::DescribeNetworkInsightsAnalysesRequest)| {
        let mut input = api::DescribeNetworkInsightsAnalysesRequest::default();
        change(&mut input);
        let found = house.ok::<DescribeNetworkInsightsAnalyses>(input).network_insights_analyses;
        found.unwrap().len()
    };
    let by = |name: &str, value: &str| {
        let filters = filter(name, &[value]);
        list(&|it| it.filters = filters.clone())
    };
    assert_eq!(list(&|_| ()), 1);
    assert_eq!(list(&|it| it.network_insights_path_id = Some(id.clone())), 1);
    assert_eq!(by("path-found", "true"), 1);
    assert_eq!(by("path-found", "false"), 0);
    assert_eq!(by("status", "succeeded"), 1);
    assert_eq!(by("status", "failed"), 0);
    assert_eq!(by("tag:Team", "ml"), 1);
    let start = first.start_date.unwrap();
    let later = Time::from_millis(start.as_millis() + 1);
    assert_eq!(list(&|it| it.analysis_start_time = Some(start)), 1);
    assert_eq!(list(&|it| it.analysis_start_time = Some(later.into())), 0);
    assert_eq!(list(&|it| it.analysis_end_time = Some(start)), 1);

    let delete = || api::DeleteNetworkInsightsPathRequest {
        network_insights_path_id: id.clone(),
        dry_run: None,
    };
    let text = house.fails::<DeleteNetworkInsightsPath>(delete());
    assert!(text.starts_with("AnalysisExistsForNetworkInsightsPath (400)"), "{text}");
    let second = analysis(house, start_input(house, &id)).network_insights_analysis_id.unwrap();
    let gone = api::DeleteNetworkInsightsAnalysisRequest {
        network_insights_analysis_id: second.clone(),
        dry_run: None,
    };
    house.ok::<DeleteNetworkInsightsAnalysis>(gone.clone());
    let text = house.fails::<DeleteNetworkInsightsAnalysis>(gone);
    assert!(text.starts_with("InvalidNetworkInsightsAnalysisId.NotFound (400)"), "{text}");
    assert_eq!(list(&|_| ()), 1);
    // The first one goes by itself, and then the path can.
    house.clock.advance_millis(120 * 24 * 3_600 * 1_000);
    assert_eq!(list(&|_| ()), 0);
    house.ok::<DeleteNetworkInsightsPath>(delete());
    assert_eq!(records::count::<InsightsAnalysis>(&house.state(), &house.scope()).unwrap(), 0);
    let text = house.fails::<DeleteNetworkInsightsPath>(delete());
    assert!(text.starts_with("InvalidNetworkInsightsPathId.NotFound (400)"), "{text}");
}

#[test]
fn components_are_asked_for_by_their_arns() {
    let site = Site::new();
    let house = &site.house;
    let id = path(house, path_input(&site.app, &site.gateway, Some(443)));
    let nat = format!("{ARN}:natgateway/{}", site.nat);
    let with = |through: &[&str], around: &[&str]| {
        let list = |arns: &[&str]| {
            (!arns.is_empty()).then(|| arns.iter().map(ToString::to_string).collect())
        };
        api::StartNetworkInsightsAnalysisRequest {
            filter_in_arns: list(through),
            filter_out_arns: list(around),
            ..start_input(house, &id)
        }
    };
    let code = |input| {
        let found = analysis(house, input);
        match found.explanations.as_deref() {
            Some([it]) => it.explanation_code.clone().unwrap(),
            _ => format!("{:?} {:?}", found.network_path_found, found.status_message),
        }
    };
    let vpc = format!("{ARN}:vpc/{}", site.vpc);
    assert_eq!(code(with(&[&nat, &vpc], &[])), "Some(true) None");
    assert_eq!(code(with(&[], &[&nat])), "COMPONENT_FILTER_RESTRICTION_REMOVED_COMPONENT");
    let web = format!("{ARN}:network-interface/{}", site.web);
    assert_eq!(code(with(&[&web], &[])), "COMPONENT_FILTER_RESTRICTION");
    let gone = format!("{ARN}:natgateway/nat-0123456789abcdef0");
    let missing = format!("None Some(\"The request failed due to missing component {gone}\")");
    assert_eq!(code(with(&[], &[&gone])), missing);
    let fails = |input| house.fails::<StartNetworkInsightsAnalysis>(input);
    assert!(fails(with(&["nat-1"], &[])).starts_with("InvalidParameterValue (400)"));
    assert!(fails(with(&[&nat, &nat], &[])).starts_with("InvalidParameterValue (400)"));
    assert!(fails(with(&[&nat], &[&nat])).starts_with("InvalidParameterCombination (400)"));
    let others = api::StartNetworkInsightsAnalysisRequest {
        additional_accounts: Some(vec!["210987654321".into()]),
        ..start_input(house, &id)
    };
    assert!(fails(others).starts_with("UnsupportedOperation (400)"));
}

/// An analysis sees what the one who starts it may see; the one who may not see all of it may start one
/// that fails.
#[test]
fn analyses_have_the_permissions_of_the_one_who_starts_them() {
    let site = Site::new();
    let house = &site.house;
    let closed = path(house, path_input(&site.gateway, &site.web, Some(443)));
    let open = path(house, path_input(&site.web, &site.gateway, Some(443)));
    let all = ["ec2:StartNetworkInsightsAnalysis", "ec2:Describe*", "tiros:*"];
    let outcome = |name: &str, denied: &str, path: &str| {
        let mut statements: Vec<String> = all
            .iter()
            .map(|it| format!(r#"{{"Effect":"Allow","Action":"{it}","Resource":"*"}}"#))
            .collect();
        if !denied.is_empty() {
            statements.push(denied.to_owned());
        }
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","));
        let user = house.user_with_policy(name, &text);
        let input = start_input(house, path);
        let made = house.call::<StartNetworkInsightsAnalysis>(&user, input).unwrap();
        let id = made.network_insights_analysis.unwrap().network_insights_analysis_id.unwrap();
        let found = described(house, &id);
        assert_eq!(found.status_message.is_some(), found.network_path_found.is_none());
        found.status_message.unwrap_or_else(|| format!("{:?}", found.network_path_found))
    };
    let deny = |action: &str| format!(r#"{{"Effect":"Deny","Action":"{action}","Resource":"*"}}"#);
    assert_eq!(outcome("all", "", &closed), "Some(false)");
    for (name, action) in [
        ("query", "tiros:CreateQuery"),
        ("vpcs", "ec2:DescribeVpcs"),
        ("groups", "ec2:DescribeSecurityGroups"),
        ("answer", "tiros:GetQueryAnswer"),
    ] {
        let text = format!("The request failed due to insufficient permissions: {action}");
        assert_eq!(outcome(name, &deny(action), &open), text);
    }
    // The entries of each own prefix list are read; "all" may not, and there was no list yet.
    let list = super::managed_lists::list(house, 3, &["10.7.0.0/16"]);
    let text =
        "The request failed due to insufficient permissions: ec2:GetManagedPrefixListEntries";
    assert_eq!(outcome("entries", "", &open), text);
    let delete = api::DeleteManagedPrefixListRequest { prefix_list_id: list, dry_run: None };
    house.ok::<DeleteManagedPrefixList>(delete);
    // An explanation is read where there is something to explain.
    let explanation = deny("tiros:GetQueryExplanation");
    assert_eq!(outcome("explained", &explanation, &open), "Some(true)");
    let text = "The request failed due to insufficient permissions: tiros:GetQueryExplanation";
    assert_eq!(outcome("unexplained", &explanation, &closed), text);
    // It is a forward access session: policies see by whom the call comes.
    let via = r#"{"Effect":"Deny","Action":"ec2:DescribeVpcs","Resource":"*","Condition":{
        "ForAnyValue:StringEquals":{"aws:CalledVia":"reachabilityanalyzer.networkinsights.amazonaws.com"}}}"#;
    let text = "The request failed due to insufficient permissions: ec2:DescribeVpcs";
    assert_eq!(outcome("via", via, &open), text);
    // Naming an end asks for it.
    let statements =
        [("ec2:CreateNetworkInsightsPath", format!("{ARN}:network-insights-path/*"), "")];
    let user = house.user_with_policy("path-only", &policy(&statements));
    let text =
        house.fails_for::<CreateNetworkInsightsPath>(&user, path_input(&site.app, &site.web, None));
    assert!(text.contains(&format!("network-interface/{}", site.app)), "{text}");
}

#[test]
fn there_are_a_thousand_paths() {
    let site = Site::new();
    let made = |number: i32| path_input(&site.app, &site.web, Some(number));
    let id = path(&site.house, made(0));
    let scope = site.house.scope();
    site.house.transact(|tx| {
        let kept: crate::ec2::network_insights::records::InsightsPath =
            records::find(tx, &scope, &id)?;
        for number in 1..1_000 {
            let copy = crate::ec2::network_insights::records::InsightsPath {
                id: format!("nip-{number:017x}"),
                token: None,
                ..kept.clone()
            };
            records::put(tx, &scope, &copy)?;
        }
        Ok(())
    });
    let text = site.house.fails::<CreateNetworkInsightsPath>(made(1_000));
    assert!(text.starts_with("NetworkInsightsPath.LimitExceeded (400)"), "{text}");
}

/// Ports at the ends of the ranges that the rules below have.
const PORTS: [u16; 8] = [0, 21, 22, 23, 443, 1023, 1024, 65_535];
const BLOCKS: [&str; 3] = ["0.0.0.0/0", "10.0.0.0/16", "10.0.1.0/24"];
const RANGES: [(i32, i32); 4] = [(0, 65_535), (22, 22), (443, 443), (1024, 65_535)];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_path_is_found_where_the_walk_gets_through(
        rules in proptest::collection::vec((0..3_usize, 0..4_usize), 0..3),
        entries in proptest::collection::vec((any::<bool>(), any::<bool>(), 0..3_usize, 0..4_usize), 0..6),
        port in proptest::option::of(prop_oneof![Just(22_u16), Just(443), Just(8080)]),
    ) {
        let site = Site::new();
        let house = &site.house;
        let mut known = std::collections::BTreeSet::new();
        for (block, ports) in rules {
            if known.insert((block, ports)) {
                let (from, to) = RANGES[ports];
                let_in(house, &site.web_group, range("tcp", from, to, BLOCKS[block]));
            }
        }
        let own = acl(house, &site.vpc);
        for (at, (egress, allow, block, ports)) in entries.into_iter().enumerate() {
            let (from, to) = RANGES[ports];
            house.ok::<CreateNetworkAclEntry>(api::CreateNetworkAclEntryRequest {
                network_acl_id: own.clone(),
                rule_number: i32::try_from(at).unwrap() + 1,
                protocol: "6".into(),
                rule_action: if allow { api::RuleAction::Allow } else { api::RuleAction::Deny },
                egress,
                cidr_block: Some(BLOCKS[block].into()),
                port_range: Some(api::PortRange { from: Some(from), to: Some(to) }),
                ..Default::default()
            });
        }
        house.ok::<ReplaceNetworkAclAssociation>(api::ReplaceNetworkAclAssociationRequest {
            association_id: association_of(house, &site.public).1,
            network_acl_id: own,
            dry_run: None,
        });
        let id = path(house, path_input(&site.app, &site.web, port.map(i32::from)));
        let found = analysis(house, start_input(house, &id));

        let topology = crate::ec2::topology(&house.state(), &house.scope()).unwrap();
        let private = |id: &String| topology.interfaces[id].addresses[0].private;
        let (from, to) = (private(&site.app), private(&site.web));
        let walker = Walker::new(topology);
        let asked: Vec<u16> = port.map_or_else(|| PORTS.to_vec(), |port| vec![port]);
        let through = asked.iter().any(|port| {
            PORTS.iter().any(|source_port| {
                let question = Question {
                    source: Source::Interface { id: site.app.clone(), address: from },
                    destination: to,
                    packet: Packet::Port { protocol: TCP, port: *port },
                    source_port: *source_port,
                };
                walker.walk(&question).reached()
            })
        });
        prop_assert_eq!(found.network_path_found, Some(through), "{:?}", found);
        prop_assert_eq!(found.explanations.is_some(), !through);
    }
}
