//! Why a request is not authenticated, in each protocol's own words.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// Why a request is not taken to come from whom it says it comes.
///
/// [`parse`](super::parse) and [`Claim::verify`](super::Claim::verify) make most of these; the
/// variants about keys and tokens are for the caller, who knows which keys exist.
///
/// Nothing that a client may have mixed up with its secret is repeated in a text: where AWS shows
/// the header, or used to show it, there is its SHA-256 in base64, as AWS does by now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthFailure {
    /// There is no signature at all (or not one of version 4).
    #[error("Request is missing Authentication Token")]
    MissingToken,
    /// The signature cannot be read; the text says which part of it.
    #[error("{0}")]
    Incomplete(Cow<'static, str>),
    /// The signature was read and is not valid for this request; the text says why.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
    /// The signature is not the one that the secret gives.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check \
         your AWS Secret Access Key and signing method. Consult the service documentation for \
         details."
    )]
    Mismatch,
    /// The time stamp is too far from now; the text names both times.
    #[error("{0}")]
    OutsideTime(Cow<'static, str>),
    /// No such access key, or an inactive one, or a session token that is not ours or not the
    /// key's.
    #[error("The security token included in the request is invalid.")]
    InvalidKey,
    /// The session of this token is over.
    #[error("The security token included in the request is expired")]
    ExpiredToken,
}

/// Whose spelling of an error is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// json 1.0 and 1.1: codes end in `Exception`, HTTP 400.
    Json,
    /// rest-json: the codes of json, HTTP 403 (400 for what cannot be read).
    RestJson,
    /// query as IAM and STS speak it.
    Query,
    /// EC2's own query protocol.
    Ec2,
}

/// An error as a client of one protocol reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spelled {
    /// The code, for example `SignatureDoesNotMatch`.
    pub code: &'static str,
    /// The text.
    pub message: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
}

impl AuthFailure {
    /// Code, text and status in the spelling of a protocol.
    ///
    /// Sources: the common errors of the STS and DynamoDB API references, the error codes of the
    /// EC2 API reference, and answers of the live services as users quote them in public issues.
    #[must_use]
    pub fn spelled(&self, dialect: Dialect) -> Spelled {
        let (code, status) = match dialect {
            Dialect::Json => (self.exception(), 400),
            Dialect::RestJson => match self {
                Self::Incomplete(_) => (self.exception(), 400),
                _ => (self.exception(), 403),
            },
            Dialect::Query => match self {
                Self::MissingToken => ("MissingAuthenticationToken", 403),
                Self::Incomplete(_) => ("IncompleteSignature", 400),
                Self::Invalid(_) | Self::Mismatch | Self::OutsideTime(_) => {
                    ("SignatureDoesNotMatch", 403)
                }
                Self::InvalidKey => ("InvalidClientTokenId", 403),
                Self::ExpiredToken => ("ExpiredToken", 403),
            },
            Dialect::Ec2 => return self.in_ec2(),
        };
        Spelled { code, message: self.text(), status }
    }

    fn exception(&self) -> &'static str {
        match self {
            Self::MissingToken => "MissingAuthenticationTokenException",
            Self::Incomplete(_) => "IncompleteSignatureException",
            Self::Invalid(_) | Self::Mismatch | Self::OutsideTime(_) => "InvalidSignatureException",
            Self::InvalidKey => "UnrecognizedClientException",
            Self::ExpiredToken => "ExpiredTokenException",
        }
    }

    /// EC2 does not tell an unknown key from a wrong signature.
    fn in_ec2(&self) -> Spelled {
        let (code, message, status) = match self {
            Self::MissingToken => (
                "MissingParameter",
                Cow::Borrowed("The request must contain the parameter AWSAccessKeyId"),
                400,
            ),
            Self::Incomplete(text) | Self::Invalid(text) => ("AuthFailure", text.clone(), 401),
            Self::Mismatch | Self::InvalidKey => (
                "AuthFailure",
                Cow::Borrowed("AWS was not able to validate the provided access credentials"),
                401,
            ),
            Self::OutsideTime(_) | Self::ExpiredToken => {
                ("RequestExpired", Cow::Borrowed("Request has expired."), 400)
            }
        };
        Spelled { code, message, status }
    }

    fn text(&self) -> Cow<'static, str> {
        match self {
            Self::Incomplete(text) | Self::Invalid(text) | Self::OutsideTime(text) => text.clone(),
            _ => Cow::Owned(self.to_string()),
        }
    }
}

/// A value as an error may show it: its SHA-256 in base64.
pub(super) fn hashed(value: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(value))
}
