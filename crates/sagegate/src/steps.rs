//! Set-ups as lists of API calls: reads `steps.toml` (its form is described in the examples'
//! README) and makes the calls.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::client::Client;

/// A set-up: the steps and the policies that they name.
pub(crate) struct SetUp {
    steps: Vec<Step>,
    policies: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    step: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    call: String,
    #[serde(default)]
    input: Value,
    #[serde(default)]
    save: BTreeMap<String, String>,
    #[serde(default)]
    until: BTreeMap<String, String>,
}

/// How often a step with `until` is called before it is given up. Each call is answered after
/// everything that follows the state has caught up, so that one repetition is the normal case.
const REPETITIONS: usize = 50;

impl SetUp {
    /// Reads a set-up from the text of `steps.toml` and its policies by name.
    pub(crate) fn parse(steps: &str, policies: &[(&str, &str)]) -> anyhow::Result<Self> {
        let file: File = toml::from_str(steps).context("steps.toml")?;
        let policies =
            policies.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Ok(Self { steps: file.step, policies })
    }

    /// Makes the calls in order; the values that the steps saved.
    pub(crate) async fn apply(
        &self,
        client: &Client,
        known: BTreeMap<String, String>,
    ) -> anyhow::Result<BTreeMap<String, String>> {
        let mut saved = known;
        for (index, step) in self.steps.iter().enumerate() {
            self.step(step, client, &mut saved)
                .await
                .with_context(|| format!("step {} ({})", index + 1, step.call))?;
        }
        Ok(saved)
    }

    async fn step(
        &self,
        step: &Step,
        client: &Client,
        saved: &mut BTreeMap<String, String>,
    ) -> anyhow::Result<()> {
        let input = self.fill(&step.input, saved)?;
        let mut answer = client.call(&step.call, &input).await?;
        for _ in 0..REPETITIONS {
            if reached(&answer, &step.until)? {
                break;
            }
            tokio::task::yield_now().await;
            answer = client.call(&step.call, &input).await?;
        }
        ensure!(reached(&answer, &step.until)?, "{:?} was not reached: {answer}", step.until);
        for (name, path) in &step.save {
            let text = at(&answer, path)?.as_str().with_context(|| format!("{path}: not text"))?;
            saved.insert(name.clone(), text.to_owned());
        }
        Ok(())
    }

    fn fill(&self, value: &Value, saved: &BTreeMap<String, String>) -> anyhow::Result<Value> {
        Ok(match value {
            Value::Null => Value::Object(serde_json::Map::new()),
            Value::String(text) => match text.strip_prefix("policy:") {
                Some(name) => {
                    let policy =
                        self.policies.get(name).with_context(|| format!("no policy {name}"))?;
                    Value::String(substitute(policy, saved)?)
                }
                None => Value::String(substitute(text, saved)?),
            },
            Value::Array(items) => Value::Array(
                items.iter().map(|item| self.fill(item, saved)).collect::<anyhow::Result<_>>()?,
            ),
            Value::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(name, item)| Ok((name.clone(), self.fill(item, saved)?)))
                    .collect::<anyhow::Result<_>>()?,
            ),
            Value::Bool(_) | Value::Number(_) => value.clone(),
        })
    }
}

fn reached(answer: &Value, until: &BTreeMap<String, String>) -> anyhow::Result<bool> {
    for (path, wanted) in until {
        let found = at(answer, path)?;
        if found.as_str() == Some("Failed") && wanted != "Failed" {
            bail!("{path} is Failed: {answer}");
        }
        if found.as_str() != Some(wanted) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The part of an answer that a path such as `Subnets[0].SubnetId` names.
fn at<'a>(answer: &'a Value, path: &str) -> anyhow::Result<&'a Value> {
    let mut value = answer;
    for part in path.split('.') {
        let (name, index) = match part.split_once('[') {
            Some((name, index)) => {
                let index = index.strip_suffix(']').and_then(|text| text.parse::<usize>().ok());
                (name, Some(index.with_context(|| format!("{path}: not an index"))?))
            }
            None => (part, None),
        };
        value = value.get(name).with_context(|| format!("the answer has no {path}: {answer}"))?;
        if let Some(index) = index {
            value =
                value.get(index).with_context(|| format!("the answer has no {path}: {answer}"))?;
        }
    }
    Ok(value)
}

/// Replaces each `{{name}}`.
fn substitute(text: &str, saved: &BTreeMap<String, String>) -> anyhow::Result<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").context("a {{ without }}")?;
        out.push_str(before);
        out.push_str(saved.get(name).with_context(|| format!("{{{{{name}}}}} is not known yet"))?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn saved_values_are_put_in_and_unknown_ones_are_named() {
        let saved = BTreeMap::from([("vpc".to_owned(), "vpc-1".to_owned())]);
        assert_eq!(substitute("a {{vpc}}, {{vpc}}", &saved).unwrap(), "a vpc-1, vpc-1");
        let error = substitute("{{subnet}}", &saved).unwrap_err();
        assert_eq!(error.to_string(), "{{subnet}} is not known yet");
    }

    #[test]
    fn paths_reach_into_lists() {
        let answer = json!({"Subnets": [{"SubnetId": "s-1"}]});
        assert_eq!(at(&answer, "Subnets[0].SubnetId").unwrap(), "s-1");
        assert!(at(&answer, "Subnets[1].SubnetId").is_err());
        assert!(at(&answer, "Vpc").is_err());
    }

    #[test]
    fn a_word_that_is_not_known_stops_the_set_up() {
        let wrong = "[[step]]\ncall = \"iam.CreateUser\"\ninputs = {}\n";
        assert!(SetUp::parse(wrong, &[]).is_err());
    }
}
