//! Roles by their ARNs.

use sagegate_gate::{AccountId, Region, Scope};
use sagegate_store::{Read, StoreError};

use crate::iam::entities;
use crate::iam::records::{EntityKind, RoleRecord};

/// A role's ARN, taken apart: where it is, and its name.
pub(crate) struct RoleArn<'a> {
    /// The role's account; the region is that of the request, which roles do not have.
    pub(crate) scope: Scope,
    /// The name without the path.
    name: &'a str,
    text: &'a str,
}

impl<'a> RoleArn<'a> {
    /// Parses `arn:<partition>:iam::<account>:role/…` in the partition of this region.
    pub(crate) fn parse(text: &'a str, region: &Region) -> Option<Self> {
        let rest = text.strip_prefix("arn:")?.strip_prefix(region.partition())?;
        let (account, resource) = rest.strip_prefix(":iam::")?.split_once(':')?;
        let account = AccountId::parse(account).ok()?;
        let name = resource.strip_prefix("role/")?.rsplit('/').next()?;
        let scope = Scope { account, region: region.clone() };
        (!name.is_empty()).then_some(Self { scope, name, text })
    }

    /// The role, if it has exactly this ARN, path and case included.
    pub(crate) fn find(&self, state: &dyn Read) -> Result<Option<RoleRecord>, StoreError> {
        let found = entities::find::<RoleRecord>(state, &self.scope.account, self.name)?;
        Ok(found.filter(|role| {
            let arn = entities::arn_of(&self.scope, EntityKind::Role, &role.path, &role.name);
            arn == self.text
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_arn_is_taken_apart_or_refused() {
        let region = Region::parse("us-west-2").unwrap();
        let right = RoleArn::parse("arn:aws:iam::123456789012:role/a/b/name", &region).unwrap();
        assert_eq!((right.scope.account.as_str(), right.name), ("123456789012", "name"));
        for wrong in [
            "",
            "arn:aws-cn:iam::123456789012:role/name",
            "arn:aws:iam:us-west-2:123456789012:role/name",
            "arn:aws:iam::12:role/name",
            "arn:aws:iam::123456789012:user/name",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/a/",
        ] {
            assert!(RoleArn::parse(wrong, &region).is_none(), "{wrong}");
        }
    }
}
