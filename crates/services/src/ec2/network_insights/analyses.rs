//! StartNetworkInsightsAnalysis, DescribeNetworkInsightsAnalyses, DeleteNetworkInsightsAnalysis.

use sagegate_api::ec2::{
    DeleteNetworkInsightsAnalysisRequest, DeleteNetworkInsightsAnalysisResult,
    DescribeNetworkInsightsAnalysesRequest, DescribeNetworkInsightsAnalysesResult,
    StartNetworkInsightsAnalysisRequest, StartNetworkInsightsAnalysisResult,
};
use sagegate_gate::env::Time;
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Scope};
use sagegate_store::{Read, StoreError, Tx};

use super::finding;
use super::records::{InsightsAnalysis, InsightsPath, Outcome};
use super::{permission, shapes};
use crate::ec2::fault::{bad, dry_run, invalid_value, refuse};
use crate::ec2::kind::Kind;
use crate::ec2::records;
use crate::ec2::select::{self, Filters, flag};
use crate::ec2::tags;
use crate::ec2::token::Once;
use crate::ec2::{named_or_all, needs, token};

/// Analyses in a region (Reachability Analyzer guide, "Quotas"). There, 100 may run at the same time;
/// here each is done before its call is.
const MAX_ANALYSES: usize = 10_000;
/// How long an analysis is kept, in seconds: "automatically deletes an analysis 120 days after its
/// creation date" (Reachability Analyzer guide, "Considerations").
const KEPT: i64 = 120 * 24 * 3_600;

fn forgotten(analysis: &InsightsAnalysis, now: Time) -> bool {
    analysis.started.plus_seconds(KEPT).millis() <= now.millis()
}

/// Drops the analyses that are not kept any longer.
pub(super) fn forget(tx: &mut Tx, scope: &Scope, now: Time) -> Result<(), StoreError> {
    for analysis in records::all::<InsightsAnalysis>(tx, scope)? {
        if forgotten(&analysis, now) {
            remove(tx, scope, &analysis)?;
        }
    }
    Ok(())
}

fn remove(tx: &mut Tx, scope: &Scope, analysis: &InsightsAnalysis) -> Result<(), StoreError> {
    token::forget(tx, scope, analysis.token.as_deref());
    records::delete::<InsightsAnalysis>(tx, scope, &analysis.id)
}

/// Whether a path has analyses.
pub(super) fn any_of(state: &dyn Read, scope: &Scope, path: &str) -> Result<bool, StoreError> {
    let all = records::all::<InsightsAnalysis>(state, scope)?;
    Ok(all.iter().any(|analysis| analysis.path == path))
}

/// StartNetworkInsightsAnalysis. The analysis is made of the state that the call sees, and done when
/// the call is. Its answer shows it as it was started, `running`, as AWS's does.
pub(crate) struct StartNetworkInsightsAnalysis;

impl Operation for StartNetworkInsightsAnalysis {
    type Input = StartNetworkInsightsAnalysisRequest;
    type Output = StartNetworkInsightsAnalysisResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "StartNetworkInsightsAnalysis";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:StartNetworkInsightsAnalysis";
        let (input, scope, kind) = (call.input, call.scope, Kind::NetworkInsightsAnalysis);
        let tags = tags::requested(input.tag_specifications.as_ref(), kind)?;
        let path = &input.network_insights_path_id;
        let needs = Needs::from(needs::new(ACTION, scope, kind, &tags)).and(needs::on(
            ACTION,
            state,
            scope,
            Kind::NetworkInsightsPath,
            path,
        )?);
        Ok(needs::with_tags(needs, scope, kind, &tags, Self::NAME))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope, kind) = (call.input, call.scope, Kind::NetworkInsightsAnalysis);
        dry_run(input.dry_run)?;
        let others = input.additional_accounts.as_ref().is_some_and(|list| !list.is_empty());
        refuse(&[("AdditionalAccounts", others)])?;
        let once = Once::of(Self::NAME, Some(&input.client_token), || {
            StartNetworkInsightsAnalysisRequest { client_token: String::new(), ..input.clone() }
        });
        let answer = |analysis| Self::Output { network_insights_analysis: Some(analysis) };
        if let Some(analysis) = once.made::<InsightsAnalysis>(tx, scope)? {
            let tags = tags::of(tx, scope, &analysis.id)?;
            return Ok(answer(shapes::analysis(scope, &analysis, &tags)));
        }
        let tags = tags::requested(input.tag_specifications.as_ref(), kind)?;
        let path = records::find::<InsightsPath>(tx, scope, &input.network_insights_path_id)?;
        let (through, around) = (
            arns("filterInArn", input.filter_in_arns.as_ref())?,
            arns("filterOutArn", input.filter_out_arns.as_ref())?,
        );
        if let Some(both) = through.iter().find(|arn| around.contains(arn)) {
            let text = format!("{both} cannot be both in filterInArn and in filterOutArn");
            return Err(bad("InvalidParameterCombination", text));
        }
        forget(tx, scope, call.now)?;
        if records::count::<InsightsAnalysis>(tx, scope)? >= MAX_ANALYSES {
            let text = "The maximum number of network insights analyses has been reached.";
            return Err(bad("NetworkInsightsAnalysis.LimitExceeded", text));
        }
        let mut analysis = InsightsAnalysis {
            id: kind.new_id(call.env),
            path: path.id.clone(),
            through,
            around,
            started: call.now,
            outcome: Outcome::Failed(String::new()),
            token: once.row(),
        };
        analysis.outcome = outcome(call, tx, &path, &analysis)?;
        records::put(tx, scope, &analysis)?;
        tags::put(tx, scope, &analysis.id, &tags)?;
        once.keep(tx, scope, &analysis.id)?;
        Ok(answer(shapes::started(scope, &analysis, &tags)))
    }
}

fn outcome(
    call: &Authorized<'_, StartNetworkInsightsAnalysis>,
    tx: &mut Tx,
    path: &InsightsPath,
    analysis: &InsightsAnalysis,
) -> Result<Outcome, Fault> {
    if let Err(reason) = permission::to_look(call, tx)? {
        return Ok(Outcome::Failed(reason));
    }
    let finding = match finding::of(tx, call.scope, path, analysis)? {
        Ok(finding) => finding,
        Err(reason) => return Ok(Outcome::Failed(reason)),
    };
    if !finding.found
        && let Err(reason) = permission::to_explain(call, tx)?
    {
        return Ok(Outcome::Failed(reason));
    }
    Ok(Outcome::Succeeded(Box::new(finding)))
}

/// ARNs of a request, each once.
fn arns(name: &str, given: Option<&Vec<String>>) -> Result<Vec<String>, Fault> {
    let mut checked: Vec<String> = Vec::new();
    for arn in given.into_iter().flatten() {
        if finding::component(arn).is_none() {
            let text = format!(
                "Value ({arn}) for parameter {name} is invalid: it is no ARN of a network component."
            );
            return Err(invalid_value(text));
        }
        if checked.contains(arn) {
            let text = format!("Value ({arn}) for parameter {name} is invalid: it is there twice.");
            return Err(invalid_value(text));
        }
        checked.push(arn.clone());
    }
    Ok(checked)
}

/// DeleteNetworkInsightsAnalysis.
pub(crate) struct DeleteNetworkInsightsAnalysis;

impl Operation for DeleteNetworkInsightsAnalysis {
    type Input = DeleteNetworkInsightsAnalysisRequest;
    type Output = DeleteNetworkInsightsAnalysisResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DeleteNetworkInsightsAnalysis";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (kind, id) = (Kind::NetworkInsightsAnalysis, &call.input.network_insights_analysis_id);
        Ok(needs::on("ec2:DeleteNetworkInsightsAnalysis", state, call.scope, kind, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (scope, id) = (call.scope, &call.input.network_insights_analysis_id);
        dry_run(call.input.dry_run)?;
        let analysis = records::find::<InsightsAnalysis>(tx, scope, id)?;
        remove(tx, scope, &analysis)?;
        if forgotten(&analysis, call.now) {
            return Err(Kind::NetworkInsightsAnalysis.not_found(id));
        }
        Ok(Self::Output { network_insights_analysis_id: Some(analysis.id) })
    }
}

/// DescribeNetworkInsightsAnalyses. The API reference has the analyses' ids or a path's id required;
/// AWS's own CloudFormation handler lists with neither, and gets all.
pub(crate) struct DescribeNetworkInsightsAnalyses;

impl Operation for DescribeNetworkInsightsAnalyses {
    type Input = DescribeNetworkInsightsAnalysesRequest;
    type Output = DescribeNetworkInsightsAnalysesResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeNetworkInsightsAnalyses";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeNetworkInsightsAnalyses"))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let filters = Filters::of(input.filters.as_ref(), &["path-found", "status"], true)?;
        let ids = input.network_insights_analysis_ids.as_ref().filter(|ids| !ids.is_empty());
        if let Some(path) = &input.network_insights_path_id {
            records::find::<InsightsPath>(tx, scope, path)?;
        }
        let since = input.analysis_start_time.map(|it| it.as_millis());
        let until = input.analysis_end_time.map(|it| it.as_millis());
        let mut found = Vec::new();
        for analysis in named_or_all::<InsightsAnalysis>(tx, scope, ids)? {
            if forgotten(&analysis, call.now) {
                if ids.is_some() {
                    return Err(Kind::NetworkInsightsAnalysis.not_found(&analysis.id));
                }
                continue;
            }
            let started = analysis.started.millis();
            let of_path =
                input.network_insights_path_id.as_ref().is_none_or(|path| *path == analysis.path);
            let in_time = since.is_none_or(|since| since <= started)
                && until.is_none_or(|until| started <= until);
            let tags = tags::of(tx, scope, &analysis.id)?;
            let pass = filters.pass(&tags, |name| match (name, &analysis.outcome) {
                ("path-found", Outcome::Succeeded(finding)) => flag(finding.found),
                ("status", Outcome::Succeeded(_)) => vec!["succeeded".to_owned()],
                ("status", Outcome::Failed(_)) => vec!["failed".to_owned()],
                _ => Vec::new(),
            });
            if of_path && in_time && pass {
                found.push(shapes::analysis(scope, &analysis, &tags));
            }
        }
        let (analyses, next_token) = select::page_within(
            1..=100,
            found,
            |analysis| analysis.network_insights_analysis_id.clone().unwrap_or_default(),
            ids.is_some(),
            input.max_results,
            input.next_token.as_deref(),
        )?;
        Ok(Self::Output { network_insights_analyses: Some(analyses), next_token })
    }
}
