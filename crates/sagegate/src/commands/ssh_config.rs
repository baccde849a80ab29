//! `sagegate ssh-config`: entries of `~/.ssh/config` for the spaces that can be connected to.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde_json::{Value, json};

use super::quoted;
use crate::client::Client;
use crate::profile::{Access, Settings};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Put the entries into a file, in place of those of before [default file: ~/.ssh/config].
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "")]
    write: Option<String>,
    /// Let the space use the keys of this machine's ssh-agent (ForwardAgent).
    #[arg(long)]
    forward_agent: bool,
    #[command(flatten)]
    access: Access,
}

/// A space that lets in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Space {
    name: String,
    domain: String,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let settings = Settings::read()?;
    let access = &arguments.access;
    let region = settings.region(access, None)?;
    let client = settings.client(access, "sagemaker", &region).await?;
    let mut spaces = Vec::new();
    let mut next = None::<String>;
    loop {
        let mut input = json!({ "MaxResults": 100 });
        if let (Some(token), Some(input)) = (next.take(), input.as_object_mut()) {
            input.insert("NextToken".to_owned(), token.into());
        }
        let answer = client.call("sagemaker.ListSpaces", &input).await?;
        let page = answer.get("Spaces").and_then(Value::as_array);
        spaces.extend(page.into_iter().flatten().filter_map(open_space));
        next = answer.get("NextToken").and_then(Value::as_str).map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    let Some(any) = spaces.first() else {
        say!("There is no space with remote access in {region}.");
        return Ok(ExitCode::SUCCESS);
    };
    let owner = owner(&settings, access, &client, &region, any).await?;
    let program = std::env::current_exe().context("this program's own path")?;
    let program = program.to_str().context("this program's path is no text")?;
    let mut command = format!("{} connect", quoted(program));
    for (option, value) in [
        ("--profile", access.profile.as_deref()),
        ("--endpoint-url", access.endpoint_url.as_deref()),
    ] {
        if let Some(value) = value {
            let _ = write!(command, " {option} {}", quoted(value));
        }
    }
    let arn = |space: &Space| format!("{owner}:space/{}/{}", space.domain, space.name);
    let text = entries(&spaces, &command, arguments.forward_agent, arn);
    match arguments.write {
        None => say_part!("{text}"),
        Some(file) => {
            let file = match &*file {
                "" => {
                    let home = std::env::var_os("HOME").context("HOME is not set")?;
                    PathBuf::from(home).join(".ssh/config")
                }
                file => PathBuf::from(file),
            };
            let mark = access.profile.clone().unwrap_or_else(|| "default".to_owned());
            put(&file, &mark, &text)?;
            say!("{} entries in {}", spaces.len(), file.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What the ARNs of the spaces begin with. STS is asked, which needs no permission; where only
/// SageMaker can be reached, a space is.
async fn owner(
    settings: &Settings,
    access: &Access,
    client: &Client,
    region: &str,
    any: &Space,
) -> anyhow::Result<String> {
    let text =
        |answer: &Value, name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
    if let Ok(sts) = settings.client(access, "sts", region).await
        && let Ok(me) = sts.call("sts.GetCallerIdentity", &json!({})).await
        && let (Some(account), Some(arn)) = (text(&me, "Account"), text(&me, "Arn"))
    {
        let partition = arn.split(':').nth(1).unwrap_or("aws");
        return Ok(format!("arn:{partition}:sagemaker:{region}:{account}"));
    }
    let input = json!({ "DomainId": any.domain, "SpaceName": any.name });
    let described = client.call("sagemaker.DescribeSpace", &input).await?;
    let arn = text(&described, "SpaceArn").context("DescribeSpace gave no SpaceArn")?;
    let end = arn.find(":space/").context("DescribeSpace gave no ARN of a space")?;
    arn.get(..end).map(str::to_owned).context("DescribeSpace gave no ARN of a space")
}

/// A space of an answer of ListSpaces, if remote access is on.
fn open_space(details: &Value) -> Option<Space> {
    let text = |name: &str| details.get(name).and_then(Value::as_str);
    let access = details.get("SpaceSettingsSummary")?.get("RemoteAccess")?.as_str()?;
    // What does not follow the rule for names would have to be written with care; there is none.
    let safe = |name: &&str| {
        !name.is_empty() && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '-')
    };
    let (name, domain) = (text("SpaceName").filter(safe)?, text("DomainId").filter(safe)?);
    (access == "ENABLED").then(|| Space { name: name.to_owned(), domain: domain.to_owned() })
}

/// The entries. A name that several domains have is followed by the domain's id.
fn entries(
    spaces: &[Space],
    command: &str,
    forward_agent: bool,
    arn: impl Fn(&Space) -> String,
) -> String {
    let mut spaces = spaces.to_vec();
    spaces.sort();
    let mut names = BTreeMap::<String, usize>::new();
    for space in &spaces {
        // ssh compares names without regard to case.
        *names.entry(space.name.to_ascii_lowercase()).or_default() += 1;
    }
    let mut text = String::new();
    for space in &spaces {
        let alone = names.get(&space.name.to_ascii_lowercase()) == Some(&1);
        let host =
            if alone { space.name.clone() } else { format!("{}.{}", space.name, space.domain) };
        let arn = arn(space);
        // In a ProxyCommand a percent sign begins a token of ssh's.
        let command = command.replace('%', "%%");
        let _ = write!(
            text,
            "Host {host}\n  HostName {arn}\n  User sagemaker-user\n  ProxyCommand {command} {arn}\n  \
             StrictHostKeyChecking accept-new\n"
        );
        if forward_agent {
            text.push_str("  ForwardAgent yes\n");
        }
    }
    text
}

/// Puts the entries between their marks, in place of what is there, or at the end.
fn put(file: &Path, mark: &str, entries: &str) -> anyhow::Result<()> {
    let before = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| file.display().to_string()),
    };
    let after = with_block(&before, mark, entries)
        .with_context(|| format!("{}: a block of sagegate has no end", file.display()))?;
    // A configuration that is a link elsewhere stays one.
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    crate::node::write_private(&file, &after)
}

fn with_block(before: &str, mark: &str, entries: &str) -> Option<String> {
    let (begin, end) =
        (format!("# >>> sagegate {mark} >>>\n"), format!("# <<< sagegate {mark} <<<\n"));
    let block = format!("{begin}{entries}{end}");
    let Some((head, rest)) = before.split_once(&begin) else {
        // At the beginning: an entry for all hosts further down must not come first.
        let between = if before.is_empty() { "" } else { "\n" };
        return Some(format!("{block}{between}{before}"));
    };
    let (_, tail) = rest.split_once(&end)?;
    Some(format!("{head}{block}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_collide_carry_their_domain() {
        let space = |name: &str, domain: &str| Space { name: name.into(), domain: domain.into() };
        let spaces = [space("mine", "d-1"), space("Mine", "d-2"), space("other", "d-1")];
        let text = entries(&spaces, "sagegate connect", true, |it| format!("arn:{}", it.domain));
        let hosts: Vec<_> = text.lines().filter(|line| line.starts_with("Host ")).collect();
        assert_eq!(hosts, ["Host Mine.d-2", "Host mine.d-1", "Host other"]);
        assert!(text.contains("  ProxyCommand sagegate connect arn:d-2\n"));
        assert_eq!(text.matches("ForwardAgent yes").count(), 3);
    }

    #[test]
    fn only_spaces_with_remote_access_and_plain_names_are_listed() {
        let details = |name: &str, access: &str| {
            json!({ "SpaceName": name, "DomainId": "d-1",
                    "SpaceSettingsSummary": { "RemoteAccess": access } })
        };
        assert!(open_space(&details("mine", "ENABLED")).is_some());
        assert!(open_space(&details("mine", "DISABLED")).is_none());
        assert!(open_space(&details("mine\n  ProxyCommand evil", "ENABLED")).is_none());
        assert!(open_space(&json!({ "SpaceName": "mine", "DomainId": "d-1" })).is_none());
    }

    #[test]
    fn a_block_is_replaced_and_the_rest_is_left_alone() {
        let first = with_block("Host *\n  User me\n", "default", "Host a\n").unwrap();
        assert!(first.ends_with("\nHost *\n  User me\n"), "{first}");
        let second = with_block(&first, "work", "Host w\n").unwrap();
        let third = with_block(&second, "default", "Host b\n").unwrap();
        assert!(third.contains("Host w\n") && third.contains("Host b\n"));
        assert!(!third.contains("Host a\n"));
        assert_eq!(third, with_block(&third, "default", "Host b\n").unwrap());
        assert_eq!(with_block("# >>> sagegate default >>>\n", "default", ""), None);
    }
}
