//! Requests of the query and ec2 protocols from members in JSON.

use anyhow::{Context, bail};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sagegate_model::{Kind, OperationSchema, Protocol, ServiceSchema, ShapeSchema, StructSchema};
use serde_json::Value;

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The form body of a call.
pub(super) fn form(
    service: &ServiceSchema,
    operation: &OperationSchema,
    input: &Value,
) -> anyhow::Result<String> {
    let mut form = Form {
        ec2: service.protocol == Protocol::Ec2,
        out: format!("Action={}&Version={}", operation.name, service.api_version),
    };
    match operation.input {
        Some(schema) => form.structure(schema, "", input)?,
        None if input.as_object().is_some_and(serde_json::Map::is_empty) => {}
        None => bail!("it takes no members"),
    }
    Ok(form.out)
}

struct Form {
    ec2: bool,
    out: String,
}

impl Form {
    fn structure(
        &mut self,
        schema: &StructSchema,
        prefix: &str,
        value: &Value,
    ) -> anyhow::Result<()> {
        let members = value.as_object().with_context(|| format!("{prefix}: not an object"))?;
        for (name, value) in members {
            let member = schema
                .members
                .iter()
                .find(|member| member.name == name)
                .with_context(|| format!("{} has no member {name}", schema.name))?;
            self.value(member.shape, &join(prefix, member.request_name), value)?;
        }
        Ok(())
    }

    fn value(&mut self, shape: &ShapeSchema, at: &str, value: &Value) -> anyhow::Result<()> {
        match &shape.kind {
            Kind::Struct(schema) => self.structure(schema, at, value),
            Kind::List(list) => {
                let items = value.as_array().with_context(|| format!("{at}: not a list"))?;
                let base = if self.ec2 || list.flattened {
                    at.to_owned()
                } else {
                    join(at, list.item_name)
                };
                for (index, item) in items.iter().enumerate() {
                    self.value(list.item, &join(&base, &(index + 1).to_string()), item)?;
                }
                Ok(())
            }
            Kind::Map(map) => {
                let entries = value.as_object().with_context(|| format!("{at}: not an object"))?;
                let base = if map.flattened { at.to_owned() } else { join(at, "entry") };
                for (index, (key, item)) in entries.iter().enumerate() {
                    let entry = join(&base, &(index + 1).to_string());
                    self.pair(&join(&entry, map.key_name), key);
                    self.value(map.value, &join(&entry, map.value_name), item)?;
                }
                Ok(())
            }
            _ => {
                match value {
                    Value::String(text) => self.pair(at, text),
                    Value::Bool(_) | Value::Number(_) => self.pair(at, &value.to_string()),
                    _ => bail!("{at}: neither text, number nor boolean"),
                }
                Ok(())
            }
        }
    }

    fn pair(&mut self, name: &str, value: &str) {
        for (mark, text) in [("&", name), ("=", value)] {
            self.out.push_str(mark);
            self.out.extend(utf8_percent_encode(text, UNRESERVED));
        }
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn form_of(name: &str, input: &Value) -> anyhow::Result<String> {
        let (service, operation) = super::super::find(name)?;
        form(service, operation, input)
    }

    #[test]
    fn lists_and_structures_are_spelled_as_each_protocol_does() {
        assert_eq!(
            form_of(
                "iam.CreateUser",
                &json!({"UserName": "a b", "Tags": [{"Key": "k", "Value": "v"}]})
            )
            .unwrap(),
            "Action=CreateUser&Version=2010-05-08&Tags.member.1.Key=k&Tags.member.1.Value=v&UserName=a%20b"
        );
        assert_eq!(
            form_of(
                "ec2.CreateVpcEndpoint",
                &json!({"VpcId": "vpc-1", "SubnetIds": ["s-1", "s-2"], "PrivateDnsEnabled": true})
            )
            .unwrap(),
            "Action=CreateVpcEndpoint&Version=2016-11-15&PrivateDnsEnabled=true&SubnetId.1=s-1&SubnetId.2=s-2&VpcId=vpc-1"
        );
    }

    #[test]
    fn a_member_that_does_not_exist_is_named() {
        let error = form_of("iam.CreateUser", &json!({"Name": "a"})).unwrap_err();
        assert_eq!(error.to_string(), "CreateUserRequest has no member Name");
    }
}
