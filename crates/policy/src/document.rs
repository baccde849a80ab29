//! A policy document as it was written: elements, values and where they stand.
//!
//! Reading is as lenient as evaluation needs and no more. One statement may stand without a list, one value without a
//! list, numbers and booleans may stand for condition values; a document that AWS would not store can still be judged.
//! What would change the meaning if it were ignored (an unknown element, an unknown operator, a key given twice) is an
//! error. Whether AWS would *store* a document is the other question, answered by [`crate::validate`].
//!
//! Source: "Grammar of the IAM JSON policy language" in the IAM User Guide.

use std::cell::Cell;
use std::fmt;

use serde::Serialize;

use crate::json::{self, Json, Member, Node};
use crate::operator::Operator;

/// A place in the text of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// Bytes before it.
    pub offset: usize,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a text is not a policy document that can be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {message}")]
pub struct ParseError {
    /// What is wrong, naming the element.
    pub message: String,
    /// Where.
    pub position: Position,
}

/// The version of the policy language. Variables exist only in [`Version::V2012`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// No `Version` element, which means 2008-10-17.
    Absent,
    /// `2008-10-17`.
    V2008,
    /// `2012-10-17`.
    V2012,
}

/// What a statement does when it applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Effect {
    /// Grants, or for a limiting policy lets through.
    Allow,
    /// Refuses, whatever else allows.
    Deny,
}

/// A value with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The value.
    pub value: Box<str>,
    /// Where it stands.
    pub at: Position,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Whether it is the `Not…` form.
    pub negated: bool,
    /// The patterns.
    pub values: Vec<Text>,
    /// Where the element's name stands.
    pub at: Position,
}

/// The kind of one entry in `Principal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrincipalType {
    /// An account, user, role or session.
    Aws,
    /// An AWS service.
    Service,
    /// A SAML or web identity provider.
    Federated,
    /// An S3 canonical user id.
    CanonicalUser,
}

impl PrincipalType {
    /// The name in a document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Service => "Service",
            Self::Federated => "Federated",
            Self::CanonicalUser => "CanonicalUser",
        }
    }
}

/// `Principal` or `NotPrincipal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalElement {
    /// Whether it is `NotPrincipal`.
    pub negated: bool,
    /// The entries; the plain `"*"` is the entry `AWS: "*"`, which means the same.
    pub entries: Vec<(PrincipalType, Text)>,
    /// Where the element's name stands.
    pub at: Position,
}

/// One key under one operator of `Condition`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The operator.
    pub operator: Operator,
    /// The key as written.
    pub key: Box<str>,
    /// The values to compare with.
    pub values: Vec<Text>,
    /// Where the key stands.
    pub at: Position,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its name, if it has one.
    pub sid: Option<Text>,
    /// Its effect.
    pub effect: Effect,
    /// `Principal` or `NotPrincipal`; only in policies that are attached to a resource.
    pub principal: Option<PrincipalElement>,
    /// `Action` or `NotAction`.
    pub action: Option<Element>,
    /// `Resource` or `NotResource`; a trust policy has none.
    pub resource: Option<Element>,
    /// All of these must hold.
    pub conditions: Vec<Condition>,
    /// Where the statement opens.
    pub at: Position,
    /// Behind its end.
    pub end: Position,
}

/// A policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The language version.
    pub version: Version,
    /// The `Id` element.
    pub id: Option<Text>,
    /// The statements in order.
    pub statements: Vec<Statement>,
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// The first thing that is not JSON (nesting bounded) or has no meaning in the policy language, with its position:
    /// an unknown element or operator, a missing or unknown `Effect`, two elements that exclude each other, a key
    /// given twice, a value of the wrong JSON type.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let places = Places::new(text);
        let node = json::parse(text).map_err(|error| places.error(error.at, error.message))?;
        Self::from_node(&places, &node)
    }

    /// Reads a document that stands inside a larger JSON text.
    pub(crate) fn from_node(places: &Places<'_>, node: &Node) -> Result<Self, ParseError> {
        Reader { places, fold_effect: false, odd_effect: Cell::new(None) }.document(node)
    }

    /// Reads a document whose `Effect`s may be in any letter case; tells where the first odd one is.
    pub(crate) fn parse_folding(text: &str) -> Result<(Self, Option<Position>), ParseError> {
        let places = Places::new(text);
        let node = json::parse(text).map_err(|error| places.error(error.at, error.message))?;
        let reader = Reader { places: &places, fold_effect: true, odd_effect: Cell::new(None) };
        let document = reader.document(&node)?;
        Ok((document, reader.odd_effect.get()))
    }
}

/// The number of characters of a document that count towards AWS's size limits: all but white space.
///
/// Source: "IAM and AWS STS quotas". IAM does not count white space; other services do, and count the text's length.
pub fn size_without_whitespace(text: &str) -> usize {
    text.chars().filter(|c| !c.is_whitespace()).count()
}

/// Turns byte offsets into positions. Cheap where they come roughly in order: columns are counted from the last one.
pub(crate) struct Places<'a> {
    text: &'a str,
    starts: Vec<usize>,
    last: Cell<Position>,
}

impl<'a> Places<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let ends =
            text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let last = Cell::new(Position { offset: 0, line: 1, column: 1 });
        Self { text, starts: std::iter::once(0).chain(ends).collect(), last }
    }

    pub(crate) fn at(&self, offset: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start =
            line.checked_sub(1).and_then(|index| self.starts.get(index)).copied().unwrap_or(0);
        let chars =
            |from: usize, to: usize| self.text.get(from..to).map_or(0, |text| text.chars().count());
        let last = self.last.get();
        let column = if last.line != line {
            1 + chars(start, offset)
        } else if last.offset <= offset {
            last.column + chars(last.offset, offset)
        } else {
            last.column.saturating_sub(chars(offset, last.offset))
        };
        let position = Position { offset, line, column };
        self.last.set(position);
        position
    }

    pub(crate) fn error(&self, offset: usize, message: impl Into<String>) -> ParseError {
        ParseError { message: message.into(), position: self.at(offset) }
    }
}

struct Reader<'p, 'a> {
    places: &'p Places<'a>,
    /// Reads an `Effect` whatever its letter case, and notes the first that is not spelled as it should be.
    fold_effect: bool,
    odd_effect: Cell<Option<Position>>,
}

impl Reader<'_, '_> {
    fn fail<T>(&self, at: usize, message: impl Into<String>) -> Result<T, ParseError> {
        Err(self.places.error(at, message))
    }

    fn members<'n>(&self, node: &'n Node, what: &str) -> Result<&'n [Member], ParseError> {
        let Json::Object(members) = &node.value else {
            return self
                .fail(node.at, format!("{what} must be an object, not {}", node.value.kind()));
        };
        let mut keys: Vec<&Member> = members.iter().collect();
        keys.sort_by(|a, b| a.key.cmp(&b.key).then(a.at.cmp(&b.at)));
        let twice = keys.iter().zip(keys.iter().skip(1)).find(|(a, b)| a.key == b.key);
        if let Some((_, second)) = twice {
            return self.fail(second.at, format!("{:?} is given twice in {what}", second.key));
        }
        Ok(members)
    }

    fn text(&self, node: &Node, what: &str) -> Result<Text, ParseError> {
        match &node.value {
            Json::String(value) => Ok(Text { value: value.clone(), at: self.places.at(node.at) }),
            other => self.fail(node.at, format!("{what} must be a string, not {}", other.kind())),
        }
    }

    fn texts(&self, node: &Node, what: &str) -> Result<Vec<Text>, ParseError> {
        match &node.value {
            Json::Array(items) => items.iter().map(|item| self.text(item, what)).collect(),
            _ => Ok(vec![self.text(node, what)?]),
        }
    }

    fn document(&self, node: &Node) -> Result<Document, ParseError> {
        let mut document = Document { version: Version::Absent, id: None, statements: Vec::new() };
        let mut found = false;
        for Member { at, key, node } in self.members(node, "the policy document")? {
            match &**key {
                "Version" => {
                    let version = self.text(node, "Version")?;
                    document.version = match &*version.value {
                        "2012-10-17" => Version::V2012,
                        "2008-10-17" => Version::V2008,
                        other => {
                            return self.fail(
                                node.at,
                                format!("{other:?} is not a version of the policy language"),
                            );
                        }
                    };
                }
                "Id" => document.id = Some(self.text(node, "Id")?),
                "Statement" => {
                    found = true;
                    document.statements = match &node.value {
                        Json::Array(items) => items
                            .iter()
                            .map(|item| self.statement(item))
                            .collect::<Result<_, _>>()?,
                        _ => vec![self.statement(node)?],
                    };
                }
                other => {
                    return self
                        .fail(*at, format!("{other:?} is not an element of a policy document"));
                }
            }
        }
        if !found {
            return self.fail(node.at, "the policy document has no Statement");
        }
        Ok(document)
    }

    fn statement(&self, node: &Node) -> Result<Statement, ParseError> {
        let mut effect = None;
        let mut statement = Statement {
            sid: None,
            effect: Effect::Deny,
            principal: None,
            action: None,
            resource: None,
            conditions: Vec::new(),
            at: self.places.at(node.at),
            end: Position { offset: node.end, line: 0, column: 0 },
        };
        for Member { at, key, node } in self.members(node, "a statement")? {
            match &**key {
                "Sid" => statement.sid = Some(self.text(node, "Sid")?),
                "Effect" => effect = Some(self.effect(node)?),
                "Action" | "NotAction" => self.element(&mut statement.action, *at, key, node)?,
                "Resource" | "NotResource" => {
                    self.element(&mut statement.resource, *at, key, node)?
                }
                "Principal" | "NotPrincipal" => {
                    if statement.principal.is_some() {
                        return self.fail(*at, "Principal and NotPrincipal exclude each other");
                    }
                    statement.principal = Some(self.principal(*at, key, node)?);
                }
                "Condition" => statement.conditions = self.conditions(node)?,
                other => {
                    return self.fail(*at, format!("{other:?} is not an element of a statement"));
                }
            }
        }
        let Some(effect) = effect else {
            return self.fail(node.at, "a statement has no Effect");
        };
        statement.effect = effect;
        statement.end = self.places.at(node.end);
        Ok(statement)
    }

    fn effect(&self, node: &Node) -> Result<Effect, ParseError> {
        let text = self.text(node, "Effect")?;
        let effect =
            [("Allow", Effect::Allow), ("Deny", Effect::Deny)].into_iter().find(|(name, _)| {
                *name == &*text.value
                    || (self.fold_effect && name.eq_ignore_ascii_case(&text.value))
            });
        let Some((name, effect)) = effect else {
            return self.fail(node.at, format!("{:?} is not an Effect", text.value));
        };
        if name != &*text.value && self.odd_effect.get().is_none() {
            self.odd_effect.set(Some(text.at));
        }
        Ok(effect)
    }

    fn element(
        &self,
        slot: &mut Option<Element>,
        at: usize,
        key: &str,
        node: &Node,
    ) -> Result<(), ParseError> {
        let (negated, name) = key.strip_prefix("Not").map_or((false, key), |name| (true, name));
        if slot.is_some() {
            return self.fail(at, format!("{name} and Not{name} exclude each other"));
        }
        let at = self.places.at(at);
        *slot = Some(Element { negated, values: self.texts(node, key)?, at });
        Ok(())
    }

    fn principal(&self, at: usize, key: &str, node: &Node) -> Result<PrincipalElement, ParseError> {
        let mut element = PrincipalElement {
            negated: key != "Principal",
            entries: Vec::new(),
            at: self.places.at(at),
        };
        if let Json::String(value) = &node.value {
            if &**value != "*" {
                return self.fail(node.at, format!("{key} must be \"*\" or an object"));
            }
            element.entries.push((PrincipalType::Aws, self.text(node, key)?));
            return Ok(element);
        }
        for Member { at, key, node } in self.members(node, key)? {
            let kind = match &**key {
                "AWS" => PrincipalType::Aws,
                "Service" => PrincipalType::Service,
                "Federated" => PrincipalType::Federated,
                "CanonicalUser" => PrincipalType::CanonicalUser,
                other => return self.fail(*at, format!("{other:?} is not a type of principal")),
            };
            element.entries.extend(self.texts(node, key)?.into_iter().map(|text| (kind, text)));
        }
        Ok(element)
    }

    fn conditions(&self, node: &Node) -> Result<Vec<Condition>, ParseError> {
        let mut conditions = Vec::new();
        for block in self.members(node, "Condition")? {
            let keys = self.members(&block.node, &block.key)?;
            if keys.is_empty() {
                continue;
            }
            let Some(operator) = Operator::parse(&block.key) else {
                return self.fail(block.at, format!("{:?} is not a condition operator", block.key));
            };
            for Member { at, key, node } in keys {
                let at = self.places.at(*at);
                let values = match &node.value {
                    Json::Array(items) => {
                        items.iter().map(|item| self.scalar(item, key)).collect::<Result<_, _>>()?
                    }
                    _ => vec![self.scalar(node, key)?],
                };
                conditions.push(Condition { operator, key: key.clone(), values, at });
            }
        }
        Ok(conditions)
    }

    fn scalar(&self, node: &Node, key: &str) -> Result<Text, ParseError> {
        let value = match &node.value {
            Json::String(text) | Json::Number(text) => text.clone(),
            Json::Bool(flag) => flag.to_string().into(),
            other => {
                return self
                    .fail(node.at, format!("the value of {key} must not be {}", other.kind()));
            }
        };
        Ok(Text { value, at: self.places.at(node.at) })
    }
}
