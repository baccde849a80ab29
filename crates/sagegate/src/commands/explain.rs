//! `sagegate explain`: a record and its decision, for a human.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Installation, ask};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The request's id: the header x-amzn-RequestId of its answer.
    #[arg(required_unless_present = "last", conflicts_with = "last")]
    request_id: Option<String>,
    /// The newest request.
    #[arg(long)]
    last: bool,
    /// Print the record as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    installation: Installation,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let id = arguments.request_id.as_deref().map(str::trim);
    let record = ask(&arguments.installation, "/explain", &json!({ "id": id })).await?;
    if arguments.json {
        say!("{}", serde_json::to_string_pretty(&record)?);
    } else {
        say_part!("{}", tell(&record));
    }
    Ok(ExitCode::SUCCESS)
}

/// A record as text.
fn tell(record: &Value) -> String {
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut out = String::new();
    let mut row = |name: &str, value: &str| {
        if !value.is_empty() {
            // Writing to a string does not fail.
            let _ = writeln!(out, "{name:<9} {}", plain(value));
        }
    };
    let decision = record.get("sagegate").unwrap_or(&Value::Null);
    let service = text("eventSource").trim_end_matches(".amazonaws.com");
    let outcome = match text("errorCode") {
        "" => "allowed".to_owned(),
        code => match field(decision, "decision").strip_prefix("denied") {
            // Why, where no policy's trace says it.
            Some(why) => format!("DENIED ({code}){why}"),
            None => format!("failed ({code})"),
        },
    };
    row("request", text("requestID"));
    row("when", text("eventTime"));
    row("call", &format!("{service}:{}", text("eventName")));
    row("outcome", &outcome);
    let identity = |name: &str| record.pointer(&format!("/userIdentity/{name}"));
    let who = |name: &str| identity(name).and_then(Value::as_str);
    let caller = match (who("arn"), who("invokedBy")) {
        (Some(arn), Some(service)) => format!("{arn}, invoked by {service}"),
        (arn, service) => arn.or(service).unwrap_or("nobody").to_owned(),
    };
    row("caller", &caller);
    let from = match text("vpcEndpointId") {
        "" => text("sourceIPAddress").to_owned(),
        endpoint => format!("{} through {endpoint}", text("sourceIPAddress")),
    };
    row("from", &from);
    row("answer", text("errorMessage"));
    // A data channel has no caller's answer; where it led to and what it carried is what matters.
    if text("eventSource") == "ssmmessages.amazonaws.com" {
        let at = |path: &str| record.pointer(path).and_then(Value::as_str).unwrap_or_default();
        row("space", at("/requestParameters/resourceIdentifier"));
        row("session", at("/requestParameters/sessionId"));
        row("opened", at("/responseElements/openedAt"));
        if let Some(millis) =
            record.pointer("/responseElements/milliseconds").and_then(Value::as_u64)
        {
            row("lasted", &format!("{}.{:03} s", millis / 1000, millis % 1000));
        }
        row("ended", at("/responseElements/reason"));
        let bytes = |name: &str| {
            record.pointer(&format!("/responseElements/{name}")).and_then(Value::as_u64)
        };
        if let (Some(up), Some(down)) = (bytes("bytesFromClient"), bytes("bytesToClient")) {
            row("carried", &format!("{up} bytes from the client, {down} to it"));
        }
    }
    if let Some(grants) = decision.get("by").and_then(Value::as_array) {
        for grant in grants {
            let at = match grant.get("statement").and_then(Value::as_u64) {
                Some(statement) => format!(", statement {}", statement + 1),
                None => String::new(),
            };
            let action = field(grant, "action");
            row("granted", &format!("{action} by {}{at}", field(grant, "policy")));
        }
    }
    if let Some(trace) = decision.get("trace").filter(|it| !it.is_null()) {
        tell_trace(trace, &mut out);
    }
    for call in list(record, "sagegateCalls") {
        out.push_str("\nwithin it\n");
        for line in tell(call).lines() {
            let _ =
                writeln!(out, "{:indent$}{line}", "", indent = if line.is_empty() { 0 } else { 2 });
        }
    }
    out
}

/// A text of which a client may have written parts, fit for a terminal: one line, and no control
/// characters that the terminal would obey.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        // The second kind turns the direction of what follows it.
        if letter.is_control()
            || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    out
}

fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn tell_trace(trace: &Value, out: &mut String) {
    let reason = trace.get("reason").unwrap_or(&Value::Null);
    let mut line = |indent: usize, text: &str| {
        let _ = writeln!(out, "{:indent$}{}", "", plain(text));
    };
    line(0, "");
    line(0, &format!("decided   {} {}", field(reason, "decision"), named(reason)));
    for policy in list(trace, "policies") {
        line(0, "");
        line(0, &format!("{} policy {}", field(policy, "kind"), field(policy, "policy")));
        for statement in list(policy, "statements") {
            let number = statement.get("statement").and_then(Value::as_u64).unwrap_or_default();
            let sid = field(statement, "sid");
            let sid = if sid.is_empty() { String::new() } else { format!(" {sid:?}") };
            let at = statement.pointer("/at/line").and_then(Value::as_u64);
            let at = at.map_or_else(String::new, |at| format!(" (line {at})"));
            let applies = yes(statement, "applies");
            let verdict = if applies { "applies" } else { "does not apply" };
            let effect = field(statement, "effect");
            line(2, &format!("statement {}{sid}{at}: {effect}, {verdict}", number + 1));
            for element in ["action", "resource", "principal"] {
                if !yes(statement, element) {
                    line(4, &format!("its {element} element does not match"));
                }
            }
            for condition in list(statement, "conditions") {
                let holds = if yes(condition, "holds") { "holds" } else { "does not hold" };
                let request = match condition.get("request") {
                    None | Some(Value::Null) => "absent".to_owned(),
                    Some(value) => shown(value),
                };
                line(
                    4,
                    &format!(
                        "{} {} {}: {holds}, the request has {request}",
                        field(condition, "operator"),
                        field(condition, "key"),
                        condition.get("policyValues").map_or_else(String::new, shown),
                    ),
                );
            }
        }
        if let Some(others) = policy.get("others").and_then(Value::as_u64).filter(|it| *it > 0) {
            line(2, &format!("{others} more that are about something else"));
        }
    }
    let changes: Vec<&str> = list(trace, "changes").filter_map(Value::as_str).collect();
    if !changes.is_empty() {
        line(0, "");
        line(0, "to be allowed");
        for change in changes {
            line(2, change);
        }
    }
}

fn named(reason: &Value) -> String {
    let kind = field(reason, "policyKind");
    let policy = field(reason, "policy");
    let mut text = format!("({kind})");
    if !policy.is_empty() {
        let _ = write!(text, " by {policy}");
    }
    if let Some(statement) = reason.get("statement").and_then(Value::as_u64) {
        let _ = write!(text, ", statement {}", statement + 1);
    }
    text
}

fn yes(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            format!("[{}]", values.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_services_are_told_within_the_request() {
        let record = json!({
            "eventSource": "sagemaker.amazonaws.com",
            "eventName": "CreateDomain",
            "requestID": "1",
            "sourceIPAddress": "127.0.0.1",
            "userIdentity": { "arn": "arn:aws:iam::123456789012:user/ann" },
            "sagegate": {},
            "sagegateCalls": [{
                "eventSource": "sts.amazonaws.com",
                "eventName": "AssumeRole",
                "requestID": "2",
                "sourceIPAddress": "sagemaker.amazonaws.com",
                "userIdentity": { "invokedBy": "sagemaker.amazonaws.com" },
                "sagegate": {},
            }, {
                "eventSource": "ec2.amazonaws.com",
                "eventName": "CreateSecurityGroup",
                "requestID": "3",
                "sourceIPAddress": "sagemaker.amazonaws.com",
                "userIdentity": { "arn": "arn:aws:sts::1:assumed-role/r/s", "invokedBy": "sagemaker.amazonaws.com" },
                "sagegate": {},
            }],
        });
        let expected = "\
request   1
call      sagemaker:CreateDomain
outcome   allowed
caller    arn:aws:iam::123456789012:user/ann
from      127.0.0.1

within it
  request   2
  call      sts:AssumeRole
  outcome   allowed
  caller    sagemaker.amazonaws.com
  from      sagemaker.amazonaws.com

within it
  request   3
  call      ec2:CreateSecurityGroup
  outcome   allowed
  caller    arn:aws:sts::1:assumed-role/r/s, invoked by sagemaker.amazonaws.com
  from      sagemaker.amazonaws.com
";
        assert_eq!(tell(&record), expected);
    }

    #[test]
    fn what_was_denied_within_a_request_is_told_of_the_request_too() {
        let record = json!({
            "eventSource": "sagemaker.amazonaws.com",
            "eventName": "CreateDomain",
            "requestID": "1",
            "errorCode": "AccessDeniedException",
            "sagegate": { "decision": "denied: in a call that the operation made" },
            "sagegateCalls": [{
                "eventSource": "iam.amazonaws.com",
                "eventName": "CreateServiceLinkedRole",
                "requestID": "2",
                "errorCode": "AccessDenied",
                "sagegate": { "decision": "denied" },
            }, {
                "eventSource": "ec2.amazonaws.com",
                "eventName": "CreateSecurityGroup",
                "requestID": "3",
                "errorCode": "InvalidGroup.Duplicate",
                "sagegate": { "decision": "not denied: the operation itself failed" },
            }],
        });
        let text = tell(&record);
        let outcomes: Vec<&str> =
            text.lines().map(str::trim).filter(|line| line.starts_with("outcome")).collect();
        assert_eq!(
            outcomes,
            [
                "outcome   DENIED (AccessDeniedException): in a call that the operation made",
                "outcome   DENIED (AccessDenied)",
                "outcome   failed (InvalidGroup.Duplicate)",
            ]
        );
    }

    #[test]
    fn what_a_client_wrote_stays_on_its_line() {
        let record = json!({
            "eventSource": "sagemaker.amazonaws.com",
            "eventName": "DescribeUserProfile",
            "errorCode": "ValidationException",
            "errorMessage": "Value 'a\u{1b}[31m\noutcome   allowed\u{202e}'",
            "requestID": "1",
            "sagegate": {},
        });
        let text = tell(&record);
        assert!(
            text.contains(r"answer    Value 'a\u{1b}[31m\noutcome   allowed\u{202e}'"),
            "{text}"
        );
        assert_eq!(text.lines().filter(|line| line.starts_with("outcome")).count(), 1);
    }
}
