//! Flow logs: CreateFlowLogs, DeleteFlowLogs, DescribeFlowLogs.
//!
//! Rules: Amazon VPC User Guide, "Logging IP traffic using VPC Flow Logs"; Amazon EC2 API Reference,
//! "CreateFlowLogs". There is nothing yet that a record could be delivered to: CloudWatch Logs, S3
//! and Firehose are not served. So a flow log is `ACTIVE`, and says that delivery has failed.

mod format;

use sagegate_api::ec2::{
    CreateFlowLogsRequest, CreateFlowLogsResult, DeleteFlowLogsRequest, DeleteFlowLogsResult,
    DescribeFlowLogsRequest, DescribeFlowLogsResult, DestinationFileFormat,
    DestinationOptionsResponse, FlowLog as FlowLogShape, FlowLogsResourceType, LogDestinationType,
    TrafficType,
};
use sagegate_gate::env::Time;
use sagegate_gate::{Access, AccountId, Authorized, Call, Fault, Need, Needs, Operation, Scope};
use sagegate_store::{Read, Record, StoreError, Table, Tx};
use serde::{Deserialize, Serialize};

use super::fault::{bad, dry_run, invalid_parameter, invalid_value, missing, refuse};
use super::kind::Kind;
use super::records::{self, Interface, Key, Resource, Subnet, Vpc};
use super::select::{self, Filters};
use super::tags::{self, Tags};
use super::token::{self, Once};
use super::{named_or_all, needs};
use crate::iam::service_role::{self, Visit};

/// Flow logs of one network interface, subnet or VPC (Amazon VPC User Guide, "Amazon VPC quotas").
const MAX_LOGS: usize = 2;
/// The resources that a request may name (Amazon EC2 API Reference, "CreateFlowLogs").
const MAX_RESOURCES: usize = 25;

/// The service that a role for CloudWatch Logs is passed to (Amazon VPC User Guide, "IAM role for
/// publishing flow logs to CloudWatch Logs").
const SERVICE: &str = "vpc-flow-logs.amazonaws.com";

/// Why nothing is delivered (Amazon EC2 API Reference, "FlowLog").
const NOT_DELIVERED: &str = "Access error";

pub(crate) const FLOW_LOGS: Table<Key, FlowLog> = Table::new("ec2.flow-log");

/// A flow log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FlowLog {
    pub(crate) id: String,
    /// The VPC, subnet or network interface.
    pub(crate) resource: String,
    /// `ACCEPT`, `REJECT` or `ALL`.
    pub(crate) traffic: String,
    pub(crate) destination: Destination,
    pub(crate) format: String,
    /// Seconds.
    pub(crate) interval: i32,
    pub(crate) created: Time,
    /// The key of its row in [`TOKENS`](records::TOKENS).
    pub(crate) token: Option<String>,
}

/// Where records are to go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Destination {
    CloudWatchLogs {
        /// The group by its name, or by its ARN.
        group: Option<String>,
        arn: Option<String>,
        role: String,
    },
    S3 {
        arn: String,
        options: Option<FileOptions>,
    },
    KinesisDataFirehose {
        arn: String,
    },
}

/// How files in a bucket are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileOptions {
    pub(crate) parquet: bool,
    pub(crate) hive: bool,
    pub(crate) hourly: bool,
}

impl Record for FlowLog {}

impl Resource for FlowLog {
    const KIND: Kind = Kind::VpcFlowLog;
    const TABLE: Table<Key, Self> = FLOW_LOGS;
    fn id(&self) -> &str {
        &self.id
    }
}

impl Destination {
    fn kind(&self) -> LogDestinationType {
        match self {
            Self::CloudWatchLogs { .. } => LogDestinationType::CloudWatchLogs,
            Self::S3 { .. } => LogDestinationType::S3,
            Self::KinesisDataFirehose { .. } => LogDestinationType::KinesisDataFirehose,
        }
    }

    fn arn(&self) -> Option<&String> {
        match self {
            Self::CloudWatchLogs { arn, .. } => arn.as_ref(),
            Self::S3 { arn, .. } | Self::KinesisDataFirehose { arn } => Some(arn),
        }
    }

    fn group(&self) -> Option<&String> {
        match self {
            Self::CloudWatchLogs { group, .. } => group.as_ref(),
            Self::S3 { .. } | Self::KinesisDataFirehose { .. } => None,
        }
    }

    fn role(&self) -> Option<&String> {
        match self {
            Self::CloudWatchLogs { role, .. } => Some(role),
            Self::S3 { .. } | Self::KinesisDataFirehose { .. } => None,
        }
    }

    /// Where a request wants records to go.
    ///
    /// # Errors
    /// `InvalidParameter`.
    fn of(input: &CreateFlowLogsRequest, scope: &Scope) -> Result<Self, Fault> {
        let kind = destination_type(input);
        let (group, arn) = (input.log_group_name.clone(), input.log_destination.clone());
        if group.is_none() && arn.is_none() {
            let text = "LogDestination can't be empty if LogGroupName is not provided.";
            return Err(invalid_parameter(text));
        }
        if group.is_some() && kind != LogDestinationType::CloudWatchLogs {
            let text = "LogDestination type must be cloud-watch-logs if LogGroupName is provided.";
            return Err(invalid_parameter(text));
        }
        if input.destination_options.is_some() && kind != LogDestinationType::S3 {
            let text = "DestinationOptions can only be specified if LogDestinationType is s3.";
            return Err(invalid_parameter(text));
        }
        let wrong = |arn: &str| invalid_parameter(format!("LogDestination: {arn} is invalid."));
        let of_service = |arn: &str, service: &str, resource: &str| {
            arn.strip_prefix(&format!("arn:{}:{service}:", scope.region.partition()))
                .and_then(|rest| rest.splitn(3, ':').nth(2))
                .is_some_and(|rest| rest.len() > resource.len() && rest.starts_with(resource))
        };
        match kind {
            LogDestinationType::CloudWatchLogs => {
                if group.is_some() && arn.is_some() {
                    let text = "Only one of LogGroupName and LogDestination can be provided.";
                    return Err(invalid_parameter(text));
                }
                if let Some(arn) = arn.as_deref().filter(|it| !of_service(it, "logs", "log-group:"))
                {
                    return Err(wrong(arn));
                }
                let role = input.deliver_logs_permission_arn.clone().ok_or_else(|| {
                    let text = "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs.";
                    invalid_parameter(text)
                })?;
                Ok(Self::CloudWatchLogs { group, arn, role })
            }
            LogDestinationType::S3 => {
                let arn = arn.unwrap_or_default();
                if !of_service(&arn, "s3", "") {
                    return Err(wrong(&arn));
                }
                let options = input.destination_options.as_ref().map(|it| FileOptions {
                    parquet: it.file_format == Some(DestinationFileFormat::Parquet),
                    hive: it.hive_compatible_partitions == Some(true),
                    hourly: it.per_hour_partition == Some(true),
                });
                Ok(Self::S3 { arn, options })
            }
            LogDestinationType::KinesisDataFirehose => {
                let arn = arn.unwrap_or_default();
                if !of_service(&arn, "firehose", "deliverystream/") {
                    return Err(wrong(&arn));
                }
                Ok(Self::KinesisDataFirehose { arn })
            }
        }
    }
}

fn destination_type(input: &CreateFlowLogsRequest) -> LogDestinationType {
    input.log_destination_type.unwrap_or(LogDestinationType::CloudWatchLogs)
}

/// The kind of the resources that a request is about.
fn watched(kind: FlowLogsResourceType) -> Result<Kind, Fault> {
    match kind {
        FlowLogsResourceType::Vpc => Ok(Kind::Vpc),
        FlowLogsResourceType::Subnet => Ok(Kind::Subnet),
        FlowLogsResourceType::NetworkInterface => Ok(Kind::NetworkInterface),
        _ => refuse(&[("ResourceType", true)]).map(|()| Kind::Vpc),
    }
}

/// Checks that a resource is there.
fn find(state: &dyn Read, scope: &Scope, kind: Kind, id: &str) -> Result<(), Fault> {
    match kind {
        Kind::Subnet => records::find::<Subnet>(state, scope, id).map(drop),
        Kind::NetworkInterface => records::find::<Interface>(state, scope, id).map(drop),
        _ => records::find::<Vpc>(state, scope, id).map(drop),
    }
}

/// Removes the flow logs of a resource that goes away: what it says is about nothing any more.
pub(crate) fn forget_resource(tx: &mut Tx, scope: &Scope, id: &str) -> Result<(), StoreError> {
    for log in records::all::<FlowLog>(tx, scope)? {
        if log.resource == id {
            remove(tx, scope, &log)?;
        }
    }
    Ok(())
}

fn remove(tx: &mut Tx, scope: &Scope, log: &FlowLog) -> Result<(), StoreError> {
    token::forget(tx, scope, log.token.as_deref());
    records::delete::<FlowLog>(tx, scope, &log.id)
}

/// A need of iam:PassRole for a role that is handed over to the flow logs service.
fn pass_role(role: &str) -> Need {
    let account = role.split(':').nth(4).and_then(|it| AccountId::parse(it).ok());
    let mut need = Need::on("iam:PassRole", role).key("iam:PassedToService", SERVICE);
    need.resource_account = account;
    need
}

/// CreateFlowLogs: one for each of the resources.
pub(crate) struct CreateFlowLogs;

impl Operation for CreateFlowLogs {
    type Input = CreateFlowLogsRequest;
    type Output = CreateFlowLogsResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "CreateFlowLogs";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:CreateFlowLogs";
        let (input, scope, kind) = (call.input, call.scope, Kind::VpcFlowLog);
        let tags = tags::requested(input.tag_specifications.as_ref(), kind)?;
        let of = watched(input.resource_type)?;
        let mut needs = Needs::from(needs::new(ACTION, scope, kind, &tags));
        for id in &input.resource_ids {
            needs = needs.and(needs::on(ACTION, state, scope, of, id)?);
        }
        if let Some(role) = &input.deliver_logs_permission_arn {
            needs = needs.and(pass_role(role));
        }
        if destination_type(input) != LogDestinationType::CloudWatchLogs {
            // Amazon VPC User Guide, "Publish flow logs to Amazon S3" and "… to Amazon Data
            // Firehose".
            needs = needs.and(Need::any("logs:CreateLogDelivery"));
        }
        Ok(needs::with_tags(needs, scope, kind, &tags, Self::NAME))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope, kind) = (call.input, call.scope, Kind::VpcFlowLog);
        dry_run(input.dry_run)?;
        refuse(&[
            ("DeliverCrossAccountRole", input.deliver_cross_account_role.is_some()),
            (
                "TagFieldSpecifications",
                input.tag_field_specifications.as_ref().is_some_and(|list| !list.is_empty()),
            ),
        ])?;
        let tags = tags::requested(input.tag_specifications.as_ref(), kind)?;
        let of = watched(input.resource_type)?;
        if input.resource_ids.is_empty() {
            return Err(missing("resourceId"));
        }
        if input.resource_ids.len() > MAX_RESOURCES {
            let text = format!("A request may name up to {MAX_RESOURCES} resources");
            return Err(invalid_value(text));
        }
        let traffic = input.traffic_type.ok_or_else(|| missing("trafficType"))?;
        let destination = Destination::of(input, scope)?;
        let interval = input.max_aggregation_interval.unwrap_or(600);
        if ![60, 600].contains(&interval) {
            return Err(invalid_parameter("Invalid Flow Log Max Aggregation Interval"));
        }
        let format = format::checked(input.log_format.as_deref())?;
        let once = Once::of(Self::NAME, input.client_token.as_ref(), || CreateFlowLogsRequest {
            client_token: None,
            ..input.clone()
        });
        let answer = |ids: Vec<String>| Self::Output {
            client_token: input.client_token.clone(),
            flow_log_ids: Some(ids),
            unsuccessful: Some(Vec::new()),
        };
        if let Some(known) = once.made::<FlowLog>(tx, scope)? {
            // The token leads to the first; the others were made with it.
            let mut made = records::all::<FlowLog>(tx, scope)?;
            made.retain(|log| log.token == known.token);
            return Ok(answer(made.into_iter().map(|log| log.id).collect()));
        }
        let mut wanted: Vec<&String> = Vec::new();
        for id in &input.resource_ids {
            if !wanted.contains(&id) {
                find(tx, scope, of, id)?;
                wanted.push(id);
            }
        }
        if let Some(role) = destination.role() {
            check_role(tx, call, role)?;
        }
        let known = records::all::<FlowLog>(tx, scope)?;
        let mut ids = Vec::new();
        for id in wanted {
            let mut own = known.iter().filter(|log| log.resource == *id);
            if own
                .clone()
                .any(|log| log.destination == destination && log.traffic == traffic.as_str())
            {
                let text = "Error. There is an existing Flow Log with the same configuration and log destination.";
                return Err(bad("FlowLogAlreadyExists", text));
            }
            if own.by_ref().count() >= MAX_LOGS {
                let text = format!("The maximum number of flow logs of {id} has been reached.");
                return Err(bad("FlowLogsLimitExceeded", text));
            }
            let log = FlowLog {
                id: kind.new_id(call.env),
                resource: id.clone(),
                traffic: traffic.as_str().to_owned(),
                destination: destination.clone(),
                format: format.clone(),
                interval,
                created: call.env.now(),
                token: once.row(),
            };
            records::put(tx, scope, &log)?;
            tags::put(tx, scope, &log.id, &tags)?;
            ids.push(log.id);
        }
        if let Some(first) = ids.first() {
            once.keep(tx, scope, first)?;
        }
        Ok(answer(ids))
    }
}

/// Checks that the flow logs service may be the role. The source that AWS tells trust policies is
/// the flow log's ARN, which is not known yet: any.
fn check_role(
    state: &dyn Read,
    call: &Authorized<'_, CreateFlowLogs>,
    role: &str,
) -> Result<(), Fault> {
    let visit = Visit {
        service: SERVICE,
        source_arn: &Kind::VpcFlowLog.arn(call.scope, "*"),
        session_name: "FlowLogs",
        source_identity: None,
        now: call.env.now(),
    };
    if service_role::trusting(state, call.scope, role, &visit)?.is_some() {
        return Ok(());
    }
    Err(invalid_value("Unable to assume given IAM role"))
}

fn shape(log: &FlowLog, tags: &Tags) -> FlowLogShape {
    let destination = &log.destination;
    let options = match destination {
        Destination::S3 { options, .. } => options.as_ref(),
        Destination::CloudWatchLogs { .. } | Destination::KinesisDataFirehose { .. } => None,
    };
    FlowLogShape {
        creation_time: Some(log.created.into()),
        deliver_logs_error_message: Some(NOT_DELIVERED.to_owned()),
        deliver_logs_permission_arn: destination.role().cloned(),
        deliver_logs_status: Some("FAILED".to_owned()),
        flow_log_id: Some(log.id.clone()),
        flow_log_status: Some("ACTIVE".to_owned()),
        log_group_name: destination.group().cloned(),
        resource_id: Some(log.resource.clone()),
        traffic_type: log.traffic.parse::<TrafficType>().ok(),
        log_destination_type: Some(destination.kind()),
        log_destination: destination.arn().cloned(),
        log_format: Some(log.format.clone()),
        tags: Some(tags::shape(tags)),
        max_aggregation_interval: Some(log.interval),
        destination_options: options.map(|options| DestinationOptionsResponse {
            file_format: Some(if options.parquet {
                DestinationFileFormat::Parquet
            } else {
                DestinationFileFormat::PlainText
            }),
            hive_compatible_partitions: Some(options.hive),
            per_hour_partition: Some(options.hourly),
        }),
        ..FlowLogShape::default()
    }
}

/// DeleteFlowLogs.
pub(crate) struct DeleteFlowLogs;

impl Operation for DeleteFlowLogs {
    type Input = DeleteFlowLogsRequest;
    type Output = DeleteFlowLogsResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DeleteFlowLogs";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let mut needs = Needs::nothing();
        let mut delivered = false;
        for id in &call.input.flow_log_ids {
            let need = needs::on("ec2:DeleteFlowLogs", state, call.scope, Kind::VpcFlowLog, id)?;
            needs = needs.and(need);
            delivered |= records::get::<FlowLog>(state, call.scope, id)?
                .is_some_and(|log| log.destination.role().is_none());
        }
        if delivered {
            needs = needs.and(Need::any("logs:DeleteLogDelivery"));
        }
        if needs.0.is_empty() { Err(missing("flowLogId")) } else { Ok(needs) }
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let scope = call.scope;
        dry_run(call.input.dry_run)?;
        let mut logs: Vec<FlowLog> = Vec::new();
        let mut absent: Vec<&str> = Vec::new();
        for id in &call.input.flow_log_ids {
            match records::get::<FlowLog>(tx, scope, id)? {
                Some(log) => logs.push(log),
                None => absent.push(id),
            }
        }
        if !absent.is_empty() {
            return Err(not_found(&absent));
        }
        for log in logs {
            remove(tx, scope, &log)?;
        }
        Ok(Self::Output { unsuccessful: Some(Vec::new()) })
    }
}

/// The error for flow logs that are not there, all in one.
pub(crate) fn not_found(ids: &[&str]) -> Fault {
    let text = format!(
        "These flow log ids in the input list are not found: [TotalCount: {}] {}",
        ids.len(),
        ids.join(", ")
    );
    bad("InvalidFlowLogId.NotFound", text)
}

/// DescribeFlowLogs.
pub(crate) struct DescribeFlowLogs;

impl Operation for DescribeFlowLogs {
    type Input = DescribeFlowLogsRequest;
    type Output = DescribeFlowLogsResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeFlowLogs";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeFlowLogs"))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let names = [
            "deliver-log-status",
            "flow-log-id",
            "log-destination-type",
            "log-group-name",
            "resource-id",
            "traffic-type",
        ];
        let filters = Filters::of(input.filter.as_ref(), &names, true)?;
        let ids = input.flow_log_ids.as_ref();
        let mut found = Vec::new();
        for log in named_or_all::<FlowLog>(tx, scope, ids)? {
            let tags = tags::of(tx, scope, &log.id)?;
            let pass = filters.pass(&tags, |name| match name {
                "deliver-log-status" => vec!["FAILED".to_owned()],
                "flow-log-id" => vec![log.id.clone()],
                "log-destination-type" => vec![log.destination.kind().to_string()],
                "log-group-name" => log.destination.group().into_iter().cloned().collect(),
                "resource-id" => vec![log.resource.clone()],
                "traffic-type" => vec![log.traffic.clone()],
                _ => Vec::new(),
            });
            if pass {
                found.push(shape(&log, &tags));
            }
        }
        let (found, next_token) = select::page(
            found,
            |log| log.flow_log_id.clone().unwrap_or_default(),
            ids.is_some_and(|ids| !ids.is_empty()),
            input.max_results,
            input.next_token.as_deref(),
        )?;
        Ok(Self::Output { flow_logs: Some(found), next_token })
    }
}
