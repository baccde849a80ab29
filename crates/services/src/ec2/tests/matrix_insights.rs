//! The part of the matrix that is about Reachability Analyzer.

use sagegate_api::ec2 as api;

use super::insights::{path, path_input, start_input};
use super::matrix::{Case, case, listing};
use super::permissions::ARN;
use super::routes::interface;
use super::{API, endpoint_input, make_endpoint, named, subnet};
use crate::ec2::network_insights::analyses::{
    DeleteNetworkInsightsAnalysis, DescribeNetworkInsightsAnalyses, StartNetworkInsightsAnalysis,
};
use crate::ec2::network_insights::paths::{
    CreateNetworkInsightsPath, DeleteNetworkInsightsPath, DescribeNetworkInsightsPaths,
};
use crate::testing::House;

/// Cases in the order in which they must be made, in a VPC of 10.0.0.0/16.
pub(super) fn cases<'a>(house: &'a House, vpc_id: &str) -> Vec<Case<'a>> {
    let subnet_id = subnet(house, vpc_id, "10.0.77.0/24", "a");
    let source = &*interface(house, &subnet_id);
    let endpoint = make_endpoint(house, endpoint_input(vpc_id, API, &[&subnet_id]));
    let endpoint = &*endpoint.vpc_endpoint_id.unwrap();
    let on = |kind: &str, id: &str| format!("{ARN}:{kind}/{id}");
    let kept = path(house, path_input(source, source, None));
    let doomed = path(house, path_input(source, source, Some(1)));
    let started = start_input(house, &kept);
    let made = house.ok::<StartNetworkInsightsAnalysis>(started).network_insights_analysis;
    let analysis = made.unwrap().network_insights_analysis_id.unwrap();
    vec![
        listing::<DescribeNetworkInsightsPaths>(house, "ec2:DescribeNetworkInsightsPaths"),
        listing::<DescribeNetworkInsightsAnalyses>(house, "ec2:DescribeNetworkInsightsAnalyses"),
        case::<CreateNetworkInsightsPath>(
            house,
            vec![
                ("ec2:CreateNetworkInsightsPath", on("network-insights-path", "*"), ""),
                (
                    "ec2:CreateNetworkInsightsPath",
                    on("network-interface", source),
                    r#"{"ArnLike":{"ec2:Vpc":"arn:aws:ec2:*:*:vpc/*"},"StringLike":{"ec2:NetworkInterfaceID":"eni-*"}}"#,
                ),
                (
                    "ec2:CreateNetworkInsightsPath",
                    on("vpc-endpoint", endpoint),
                    r#"{"Null":{"ec2:VpceServiceName":"true"}}"#,
                ),
                (
                    "ec2:CreateTags",
                    on("network-insights-path", "*"),
                    r#"{"StringEquals":{"ec2:CreateAction":"CreateNetworkInsightsPath"}}"#,
                ),
            ],
            api::CreateNetworkInsightsPathRequest {
                tag_specifications: named("network-insights-path", "k", "v"),
                ..path_input(source, endpoint, Some(443))
            },
        ),
        case::<StartNetworkInsightsAnalysis>(
            house,
            vec![
                ("ec2:StartNetworkInsightsAnalysis", on("network-insights-analysis", "*"), ""),
                ("ec2:StartNetworkInsightsAnalysis", on("network-insights-path", &kept), ""),
                (
                    "ec2:CreateTags",
                    on("network-insights-analysis", "*"),
                    r#"{"StringEquals":{"ec2:CreateAction":"StartNetworkInsightsAnalysis"}}"#,
                ),
            ],
            api::StartNetworkInsightsAnalysisRequest {
                tag_specifications: named("network-insights-analysis", "k", "v"),
                ..start_input(house, &kept)
            },
        ),
        case::<DeleteNetworkInsightsAnalysis>(
            house,
            vec![(
                "ec2:DeleteNetworkInsightsAnalysis",
                on("network-insights-analysis", &analysis),
                "",
            )],
            api::DeleteNetworkInsightsAnalysisRequest {
                network_insights_analysis_id: analysis.clone(),
                dry_run: None,
            },
        ),
        case::<DeleteNetworkInsightsPath>(
            house,
            vec![("ec2:DeleteNetworkInsightsPath", on("network-insights-path", &doomed), "")],
            api::DeleteNetworkInsightsPathRequest {
                network_insights_path_id: doomed.clone(),
                dry_run: None,
            },
        ),
    ]
}
