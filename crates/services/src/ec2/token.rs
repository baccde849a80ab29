//! Client tokens: a request that comes again with its token makes nothing anew.
//!
//! Rules: Amazon EC2 API Reference, "Ensuring idempotency".

use sagegate_gate::{Fault, Scope};
use sagegate_model::{Struct, View};
use sagegate_store::{Read, StoreError, Tx};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::fault::{bad, invalid_value};
use super::records::{self, Resource, TOKENS, Token};

const MAX_TOKEN: usize = 64;

/// A digest of a request, which must not hold its token: of the members that are present, by their
/// names in AWS's model, so that it stays the same over releases of this program.
fn fingerprint(request: &dyn Struct) -> String {
    hex::encode(Sha256::digest(members(request).to_string().as_bytes()))
}

/// Objects are written in the order of their keys.
fn members(value: &dyn Struct) -> Value {
    let present = value.schema().members.iter().enumerate().filter_map(|(index, schema)| {
        let view = value.member(index)?.view()?;
        Some((schema.name.to_owned(), plain(view)))
    });
    Value::Object(present.collect())
}

fn plain(view: View<'_>) -> Value {
    match view {
        View::Bool(value) => value.into(),
        View::Int(value) => value.into(),
        View::Long(value) => value.into(),
        View::Float(value) => value.into(),
        View::Double(value) => value.into(),
        View::Text(value) => value.into(),
        View::Bytes(value) => hex::encode(value).into(),
        View::Time(value) => value.as_millis().into(),
        View::Struct(value) => members(value),
        View::List(list) => {
            let items = (0..list.len()).filter_map(|index| list.item(index)?.view());
            Value::Array(items.map(plain).collect())
        }
        View::Map(map) => {
            let mut out = Map::new();
            map.each(&mut |key, value| {
                if let Some(view) = value.view() {
                    out.insert(key.to_owned(), plain(view));
                }
            });
            Value::Object(out)
        }
    }
}

/// The key of a token's row.
fn row(operation: &str, token: &str) -> String {
    format!("{operation}/{token}")
}

/// A request that makes something once for its token, if it came with one.
pub(crate) struct Once<'a> {
    operation: &'static str,
    /// With the fingerprint of its request.
    token: Option<(&'a str, String)>,
}

impl<'a> Once<'a> {
    /// `plain` is the request without its token.
    pub(crate) fn of<R: Struct>(
        operation: &'static str,
        token: Option<&'a String>,
        plain: impl FnOnce() -> R,
    ) -> Self {
        Self { operation, token: token.map(|token| (token.as_str(), fingerprint(&plain()))) }
    }

    /// What the token has made before, if it is still there.
    ///
    /// # Errors
    /// `IdempotentParameterMismatch` where it came with another request, `InvalidParameterValue`
    /// where it is none.
    pub(crate) fn made<R: Resource>(
        &self,
        state: &dyn Read,
        scope: &Scope,
    ) -> Result<Option<R>, Fault> {
        let Some((token, fingerprint)) = &self.token else { return Ok(None) };
        if token.len() > MAX_TOKEN || !token.is_ascii() {
            let text = format!("The client token must be up to {MAX_TOKEN} ASCII characters");
            return Err(invalid_value(text));
        }
        let row = row(self.operation, token);
        let place = (scope.account.as_str(), scope.region.as_str(), row.as_str());
        match TOKENS.get(state, &place)? {
            None => Ok(None),
            Some(known) if known.request == *fingerprint => {
                Ok(records::get(state, scope, &known.id)?)
            }
            Some(_) => Err(bad(
                "IdempotentParameterMismatch",
                "The client token was used before with other parameters.",
            )),
        }
    }

    /// The key of the token's row, for the record of what it makes.
    pub(crate) fn row(&self) -> Option<String> {
        self.token.as_ref().map(|(token, _)| row(self.operation, token))
    }

    /// Keeps what the token has made.
    pub(crate) fn keep(&self, tx: &mut Tx, scope: &Scope, id: &str) -> Result<(), StoreError> {
        let Some((token, fingerprint)) = &self.token else { return Ok(()) };
        let row = row(self.operation, token);
        let place = (scope.account.as_str(), scope.region.as_str(), row.as_str());
        TOKENS.put(tx, &place, &Token { request: fingerprint.clone(), id: id.to_owned() })
    }
}

/// Forgets a token with what it has made, if that was made with one.
pub(crate) fn forget(tx: &mut Tx, scope: &Scope, row: Option<&str>) {
    if let Some(row) = row {
        TOKENS.delete(tx, &(scope.account.as_str(), scope.region.as_str(), row));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sagegate_api::ec2::{CreateNetworkInterfaceRequest, Tag, TagSpecification};

    fn request() -> CreateNetworkInterfaceRequest {
        CreateNetworkInterfaceRequest {
            subnet_id: "subnet-1".into(),
            groups: Some(vec!["sg-1".into()]),
            dry_run: Some(false),
            tag_specifications: Some(vec![TagSpecification {
                resource_type: Some("network-interface".into()),
                tags: Some(vec![Tag { key: Some("a".into()), value: Some("b".into()) }]),
            }]),
            ..Default::default()
        }
    }

    #[test]
    fn a_fingerprint_follows_from_the_members_alone() {
        let text = r#"{"DryRun":false,"Groups":["sg-1"],"SubnetId":"subnet-1","TagSpecifications":[{"ResourceType":"network-interface","Tags":[{"Key":"a","Value":"b"}]}]}"#;
        assert_eq!(members(&request()).to_string(), text);
        // Rows of earlier releases hold it.
        assert_eq!(fingerprint(&request()), hex::encode(Sha256::digest(text)));
        let other = CreateNetworkInterfaceRequest { groups: None, ..request() };
        assert_ne!(fingerprint(&request()), fingerprint(&other));
    }
}
