//! The ids that every service shares. They can only be made by parsing, so that a value of these
//! types is well formed wherever it is met.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Text that is not the id it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {expected}")]
pub struct InvalidId {
    /// What was given.
    pub value: String,
    /// What would have been right, such as `an account id (12 digits)`.
    pub expected: &'static str,
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            #[doc = concat!("Parses ", $expected, ".")]
            ///
            /// # Errors
            /// [`InvalidId`] if the text has another form.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidId { value: text.to_owned(), expected: $expected })
                }
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }
    };
}

id_type!(
    /// An AWS account: twelve digits.
    AccountId,
    "an account id (12 digits)",
    |text| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
);

id_type!(
    /// An AWS region's code, such as `us-west-2`.
    Region,
    "a region (such as us-west-2)",
    |text| {
        let parts: Vec<&str> = text.split('-').collect();
        (3..=5).contains(&parts.len())
            && parts.iter().all(|part| {
                !part.is_empty()
                    && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            })
            && parts.last().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()))
    }
);

impl Region {
    /// The partition that the region belongs to (AWS General Reference, "ARNs").
    #[must_use]
    pub fn partition(&self) -> &'static str {
        const PREFIXES: [(&str, &str); 7] = [
            ("cn-", "aws-cn"),
            ("us-gov-", "aws-us-gov"),
            ("us-iso-", "aws-iso"),
            ("us-isob-", "aws-iso-b"),
            ("eu-isoe-", "aws-iso-e"),
            ("us-isof-", "aws-iso-f"),
            ("eusc-", "aws-eusc"),
        ];
        let own = PREFIXES.iter().find(|(prefix, _)| self.0.starts_with(prefix));
        own.map_or("aws", |(_, partition)| partition)
    }
}

/// Where a request acts: one account in one region.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The account.
    pub account: AccountId,
    /// The region; global services ignore it.
    pub region: Region,
}

impl Scope {
    /// The ARN of a regional resource: `arn:<partition>:<service>:<region>:<account>:<resource>`.
    #[must_use]
    pub fn arn(&self, service: &str, resource: &str) -> String {
        let partition = self.region.partition();
        let (region, account) = (self.region.as_str(), self.account.as_str());
        ["arn:", partition, ":", service, ":", region, ":", account, ":", resource].concat()
    }

    /// The ARN of a resource of a global service such as IAM, which has no region.
    #[must_use]
    pub fn global_arn(&self, service: &str, resource: &str) -> String {
        let (partition, account) = (self.region.partition(), self.account.as_str());
        ["arn:", partition, ":", service, "::", account, ":", resource].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_made_by_parsing_only() {
        assert!(AccountId::parse("123456789012").is_ok());
        assert!(AccountId::parse("12345678901").is_err());
        assert!(AccountId::parse("12345678901a").is_err());
        assert!(Region::parse("us-west-2").is_ok());
        assert!(Region::parse("us-gov-west-1").is_ok());
        for wrong in ["", "us", "us-west", "us--2", "US-west-2", "us-west-2/", "us-west-x"] {
            assert!(Region::parse(wrong).is_err(), "{wrong}");
        }
    }
}
