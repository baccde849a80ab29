//! Access keys: CreateAccessKey, UpdateAccessKey, DeleteAccessKey, ListAccessKeys,
//! GetAccessKeyLastUsed. All but the last may leave the user name out and then mean the caller, be
//! it a user or root.

use super::credentials::{self, Maker};
use super::faults::{invalid_input, no_such, over_quota};
use super::prelude::*;
use super::records::{
    ACCESS_KEYS, AccessKeyRecord, KEY_LAST_USED, KEYS_OF, KeyOwner, LastUsedRecord, ROOT,
};
use super::subject::Subject;
use super::users;

/// How many access keys a user may have.
const LIMIT: usize = 2;

/// A user or root, found: under which id their keys are kept and which name answers show.
struct Holder {
    id: String,
    name: String,
}

impl Holder {
    fn of(state: &dyn Read, scope: &Scope, subject: &Subject) -> Result<Self, Fault> {
        Ok(match subject {
            Subject::Root => Self { id: ROOT.to_owned(), name: ROOT.to_owned() },
            Subject::User(name) => {
                let user: UserRecord = entities::require(state, &scope.account, name)?;
                Self { id: user.id, name: user.name }
            }
        })
    }

    /// The holder's key of this id.
    fn key(&self, state: &dyn Read, scope: &Scope, id: &str) -> Result<AccessKeyRecord, Fault> {
        let own = KEYS_OF.contains(state, &(scope.account.as_str(), self.id.as_str(), id))?;
        let record = if own { ACCESS_KEYS.get(state, id)? } else { None };
        record.ok_or_else(|| no_such_key(id))
    }
}

fn no_such_key(id: &str) -> Fault {
    no_such(format!("The Access Key with id {id} cannot be found."))
}

fn status(record: &AccessKeyRecord) -> Option<api::StatusType> {
    Some(if record.active { api::StatusType::Active } else { api::StatusType::Inactive })
}

/// IAM CreateAccessKey: the only answer that ever has the secret.
#[derive(Debug)]
pub struct CreateAccessKey;

impl Operation for CreateAccessKey {
    type Input = api::CreateAccessKeyRequest;
    type Output = api::CreateAccessKeyResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "CreateAccessKey";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let subject = Subject::of(call.caller, call.input.user_name.as_deref())?;
        Ok(subject.need("iam:CreateAccessKey", call.scope, state)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let subject = Subject::of(call.caller, call.input.user_name.as_deref())?;
        let holder = Holder::of(tx, call.scope, &subject)?;
        let account = &call.scope.account;
        if KEYS_OF.count(tx, &(account.as_str(), holder.id.as_str()))? >= LIMIT {
            return Err(over_quota("AccessKeysPerUser", 2));
        }
        let owner = match subject {
            Subject::Root => KeyOwner::Root,
            Subject::User(_) => KeyOwner::User { id: holder.id },
        };
        let maker = Maker { env: call.env, vault: call.vault, now: call.now };
        let made = credentials::create(tx, maker, account, owner)?;
        Ok(api::CreateAccessKeyResponse {
            access_key: Some(api::AccessKey {
                user_name: Some(holder.name),
                access_key_id: Some(made.access_key_id),
                status: Some(api::StatusType::Active),
                secret_access_key: Some(made.secret.reveal().to_owned()),
                create_date: Some(call.now.whole_seconds().into()),
            }),
        })
    }
}

/// IAM UpdateAccessKey: switches a key on or off.
#[derive(Debug)]
pub struct UpdateAccessKey;

impl Operation for UpdateAccessKey {
    type Input = api::UpdateAccessKeyRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "UpdateAccessKey";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let subject = Subject::of(call.caller, call.input.user_name.as_deref())?;
        Ok(subject.need("iam:UpdateAccessKey", call.scope, state)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let input = call.input;
        let subject = Subject::of(call.caller, input.user_name.as_deref())?;
        let holder = Holder::of(tx, call.scope, &subject)?;
        let mut key = holder.key(tx, call.scope, &input.access_key_id)?;
        key.active = match input.status {
            api::StatusType::Active => true,
            api::StatusType::Inactive => false,
            _ => return Err(invalid_input("Status of an access key must be Active or Inactive.")),
        };
        ACCESS_KEYS.put(tx, input.access_key_id.as_str(), &key)?;
        Ok(Unit)
    }
}

/// IAM DeleteAccessKey.
#[derive(Debug)]
pub struct DeleteAccessKey;

impl Operation for DeleteAccessKey {
    type Input = api::DeleteAccessKeyRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "DeleteAccessKey";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let subject = Subject::of(call.caller, call.input.user_name.as_deref())?;
        Ok(subject.need("iam:DeleteAccessKey", call.scope, state)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, scope) = (call.input, call.scope);
        let subject = Subject::of(call.caller, input.user_name.as_deref())?;
        let holder = Holder::of(tx, scope, &subject)?;
        holder.key(tx, scope, &input.access_key_id)?;
        credentials::delete(tx, &scope.account, &holder.id, &input.access_key_id);
        Ok(Unit)
    }
}

/// IAM ListAccessKeys.
#[derive(Debug)]
pub struct ListAccessKeys;

impl Operation for ListAccessKeys {
    type Input = api::ListAccessKeysRequest;
    type Output = api::ListAccessKeysResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "ListAccessKeys";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let subject = Subject::of(call.caller, call.input.user_name.as_deref())?;
        Ok(subject.need("iam:ListAccessKeys", call.scope, state)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let page = Page::of(input.marker.as_deref(), input.max_items)?;
        let subject = Subject::of(call.caller, input.user_name.as_deref())?;
        let holder = Holder::of(tx, scope, &subject)?;
        let keys = credentials::keys_of(tx, &scope.account, &holder.id)?;
        let answers = keys.into_iter().map(|(id, record)| {
            let metadata = api::AccessKeyMetadata {
                user_name: Some(holder.name.clone()),
                access_key_id: Some(id.clone()),
                status: status(&record),
                create_date: Some(record.created.whole_seconds().into()),
            };
            ((record.created.millis(), id), metadata)
        });
        let slice = page.take(answers.collect());
        Ok(api::ListAccessKeysResponse {
            is_truncated: slice.truncated(),
            marker: slice.marker,
            access_key_metadata: Some(slice.items),
        })
    }
}

/// IAM GetAccessKeyLastUsed.
#[derive(Debug)]
pub struct GetAccessKeyLastUsed;

/// The key of this id, if it is one that IAM operations show in this account, and its user.
fn shown(state: &dyn Read, scope: &Scope, id: &str) -> Result<Option<Option<UserRecord>>, Fault> {
    let Some(key) = ACCESS_KEYS.get(state, id)?.filter(|key| key.account == scope.account) else {
        return Ok(None);
    };
    Ok(match key.owner {
        KeyOwner::Root => Some(None),
        KeyOwner::User { id } => entities::by_id(state, &scope.account, &id)?.map(Some),
        KeyOwner::Operator { .. } => None,
    })
}

impl Operation for GetAccessKeyLastUsed {
    type Input = api::GetAccessKeyLastUsedRequest;
    type Output = api::GetAccessKeyLastUsedResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "GetAccessKeyLastUsed";
    const ACCESS: Access = Access::Read;

    /// The resource is the key's user. Where there is no such key, only those learn it who may ask
    /// about every user.
    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (action, scope) = ("iam:GetAccessKeyLastUsed", call.scope);
        let need = match shown(state, scope, &call.input.access_key_id)? {
            None => Need::any(action),
            Some(None) => Need::on(action, scope.global_arn("iam", ROOT)),
            Some(Some(user)) => users::need(action, scope, state, &user.name)?,
        };
        Ok(need.shown_as(format!("access key {}", call.input.access_key_id)).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let id = &call.input.access_key_id;
        let user = shown(tx, call.scope, id)?.ok_or_else(|| no_such_key(id))?;
        let stored = KEY_LAST_USED.get(tx, id.as_str())?;
        let recent = call.last_use.get(id).map(|last| LastUsedRecord::from(&last));
        let last = stored.into_iter().chain(recent).max_by_key(|last| last.at);
        let answer = match last {
            Some(last) => api::AccessKeyLastUsed {
                last_used_date: Some(last.at.whole_seconds().into()),
                service_name: Some(last.service),
                region: Some(last.region),
            },
            None => api::AccessKeyLastUsed {
                last_used_date: None,
                service_name: Some("N/A".to_owned()),
                region: Some("N/A".to_owned()),
            },
        };
        Ok(api::GetAccessKeyLastUsedResponse {
            user_name: Some(user.map_or_else(|| ROOT.to_owned(), |user| user.name)),
            access_key_last_used: Some(answer),
        })
    }
}
