//! The account: CreateAccountAlias, DeleteAccountAlias, ListAccountAliases, GetAccountSummary.

use std::collections::BTreeMap;

use super::documents::{MANAGED_POLICY_SIZE, TRUST_POLICY_SIZE, inline_quota};
use super::faults::{invalid_input, no_such};
use super::prelude::*;
use super::quota;
use super::records::{ACCOUNT_ALIASES, ACCOUNTS, AccountRecord, KEYS_OF, POLICY_VERSIONS, ROOT};

/// IAM CreateAccountAlias. An account has one alias: the new one takes the place of the old.
#[derive(Debug)]
pub struct CreateAccountAlias;

impl Operation for CreateAccountAlias {
    type Input = api::CreateAccountAliasRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "CreateAccountAlias";
    const ACCESS: Access = Access::Write;

    fn needs(_: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(Need::any("iam:CreateAccountAlias").shown_as("*").into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (alias, account) = (call.input.account_alias.as_str(), call.scope.account.as_str());
        if alias.len() == 12 && alias.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid_input("The account alias must not be a 12 digit number."));
        }
        match ACCOUNT_ALIASES.get(tx, alias)? {
            Some(holder) if holder != account => {
                let text = format!("The account alias {alias} already exists.");
                return Err(Fault::client("EntityAlreadyExists", 409, text));
            }
            Some(_) => return Ok(Unit),
            None => {}
        }
        let mut record =
            ACCOUNTS.get(tx, account)?.unwrap_or(AccountRecord { created: call.now, alias: None });
        if let Some(old) = record.alias.replace(alias.to_owned()) {
            ACCOUNT_ALIASES.delete(tx, old.as_str());
        }
        ACCOUNTS.put(tx, account, &record)?;
        ACCOUNT_ALIASES.put(tx, alias, &account.to_owned())?;
        Ok(Unit)
    }
}

/// IAM DeleteAccountAlias.
#[derive(Debug)]
pub struct DeleteAccountAlias;

impl Operation for DeleteAccountAlias {
    type Input = api::DeleteAccountAliasRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "DeleteAccountAlias";
    const ACCESS: Access = Access::Write;

    fn needs(_: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(Need::any("iam:DeleteAccountAlias").shown_as("*").into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (alias, account) = (call.input.account_alias.as_str(), call.scope.account.as_str());
        let record = ACCOUNTS.get(tx, account)?;
        let Some(mut record) = record.filter(|record| record.alias.as_deref() == Some(alias))
        else {
            return Err(no_such(format!("The account alias {alias} cannot be found.")));
        };
        record.alias = None;
        ACCOUNTS.put(tx, account, &record)?;
        ACCOUNT_ALIASES.delete(tx, alias);
        Ok(Unit)
    }
}

/// IAM ListAccountAliases.
#[derive(Debug)]
pub struct ListAccountAliases;

impl Operation for ListAccountAliases {
    type Input = api::ListAccountAliasesRequest;
    type Output = api::ListAccountAliasesResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "ListAccountAliases";
    const ACCESS: Access = Access::Read;

    fn needs(_: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(Need::any("iam:ListAccountAliases").shown_as("*").into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let page = Page::of(call.input.marker.as_deref(), call.input.max_items)?;
        let record = ACCOUNTS.get(tx, call.scope.account.as_str())?;
        let aliases = record.and_then(|record| record.alias).map(|alias| (alias.clone(), alias));
        let slice = page.take(aliases.into_iter().collect());
        Ok(api::ListAccountAliasesResponse {
            is_truncated: slice.truncated(),
            marker: slice.marker,
            account_aliases: Some(slice.items),
        })
    }
}

/// IAM GetAccountSummary: what there is, and the quotas that are enforced.
#[derive(Debug)]
pub struct GetAccountSummary;

impl Operation for GetAccountSummary {
    type Input = Unit;
    type Output = api::GetAccountSummaryResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "GetAccountSummary";
    const ACCESS: Access = Access::Read;

    fn needs(_: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(Need::any("iam:GetAccountSummary").shown_as("*").into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let account = &call.scope.account;
        let mut map: BTreeMap<String, i32> = BTreeMap::new();
        let mut set = |key: &str, value: u64| {
            map.insert(key.to_owned(), i32::try_from(value).unwrap_or(i32::MAX));
        };
        for (kind, key) in [
            (EntityKind::User, "Users"),
            (EntityKind::Group, "Groups"),
            (EntityKind::Role, "Roles"),
            (EntityKind::Policy, "Policies"),
            (EntityKind::InstanceProfile, "InstanceProfiles"),
        ] {
            set(key, quota::count(tx, account, kind)?);
            set(&format!("{key}Quota"), quota::limit(kind).1);
        }
        let versions = POLICY_VERSIONS.count(tx, &(account.as_str(),))?;
        let root_keys = KEYS_OF.count(tx, &(account.as_str(), ROOT))?;
        let size = |kind| u64::try_from(inline_quota(kind)).unwrap_or(u64::MAX);
        set("PolicyVersionsInUse", u64::try_from(versions).unwrap_or(u64::MAX));
        set("AccountAccessKeysPresent", u64::from(root_keys > 0));
        set("UserPolicySizeQuota", size(EntityKind::User));
        set("GroupPolicySizeQuota", size(EntityKind::Group));
        set("RolePolicySizeQuota", size(EntityKind::Role));
        set("PolicySizeQuota", u64::try_from(MANAGED_POLICY_SIZE).unwrap_or(u64::MAX));
        set("AssumeRolePolicySizeQuota", u64::try_from(TRUST_POLICY_SIZE).unwrap_or(u64::MAX));
        for (key, value) in [
            ("GroupsPerUserQuota", 10),
            ("AccessKeysPerUserQuota", 2),
            ("AttachedPoliciesPerUserQuota", 10),
            ("AttachedPoliciesPerGroupQuota", 10),
            ("AttachedPoliciesPerRoleQuota", 10),
            ("VersionsPerPolicyQuota", 5),
            ("PolicyVersionsInUseQuota", 10_000),
            ("GlobalEndpointTokenVersion", 1),
            // There are no passwords, MFA devices, certificates or identity providers here.
            ("AccountPasswordPresent", 0),
            ("AccountMFAEnabled", 0),
            ("MFADevices", 0),
            ("MFADevicesInUse", 0),
            ("AccountSigningCertificatesPresent", 0),
            ("SigningCertificatesPerUserQuota", 2),
            ("ServerCertificates", 0),
            ("ServerCertificatesQuota", 20),
            ("Providers", 0),
        ] {
            set(key, value);
        }
        Ok(api::GetAccountSummaryResponse { summary_map: Some(map) })
    }
}
