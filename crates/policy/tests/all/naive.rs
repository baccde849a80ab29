//! A second evaluator, as naive as can be: JSON in, a verdict out, every rule written down as the documentation puts it.
//! It shares no code with the compiled one and is compared with it on random requests.

use serde_json::Value;

pub(crate) fn decide(case: &Value) -> bool {
    let who = case["principal"].as_str().unwrap();
    let account = who.split(':').nth(4);
    let owner = match &case["resourceAccount"] {
        Value::String(owner) => Some(owner.as_str()),
        _ => case["resource"]
            .as_str()
            .unwrap()
            .split(':')
            .nth(4)
            .filter(|a| a.len() == 12)
            .or(account),
    };
    let list = |name: &str| case[name].as_array().cloned().unwrap_or_default();
    let bounded = account.is_some() && !list("permissionBoundaries").is_empty();
    let ask = |kind: Kind, policy: &Value| Said::of(case, policy, kind, bounded);
    let levels = |name: &str| -> Vec<Vec<Said>> {
        let said = |level: &Value| {
            level.as_array().unwrap().iter().map(|policy| ask(Kind::Identity, policy)).collect()
        };
        list(name).iter().map(said).collect()
    };
    let linked = who.contains(":role/aws-service-role/");
    let scps = if account.is_some() && !linked { levels("scps") } else { Vec::new() };
    let rcps: Vec<Said> = if linked {
        Vec::new()
    } else {
        list("rcps")
            .iter()
            .flat_map(|level| level.as_array().unwrap().clone())
            .map(|p| ask(Kind::Perimeter, &p))
            .collect()
    };
    let endpoints: Vec<Said> =
        list("endpointPolicies").iter().map(|p| ask(Kind::Perimeter, p)).collect();
    let resource =
        case["resourcePolicy"].as_object().map(|_| ask(Kind::Resource, &case["resourcePolicy"]));
    let own = |name: &str| -> Vec<Said> {
        if account.is_some() {
            list(name).iter().map(|p| ask(Kind::Identity, p)).collect()
        } else {
            Vec::new()
        }
    };
    let identity = own("identityPolicies");
    let boundaries = own("permissionBoundaries");
    let session = (account.is_some() && case["sessionPolicy"].is_object())
        .then(|| ask(Kind::Identity, &case["sessionPolicy"]));

    let everything =
        scps.iter().flatten().chain(&rcps).chain(&endpoints).chain(&resource).chain(&identity);
    if everything.chain(&boundaries).chain(&session).any(|said| said.denies) {
        return false;
    }
    if !scps.iter().all(|level| level.iter().any(|said| said.allows()))
        || !endpoints.iter().all(Said::allows)
    {
        return false;
    }
    let granted = resource.as_ref().map_or(0, |said| said.closeness);
    let Some(account) = account else { return granted > 0 };
    let within_boundary = boundaries.iter().all(Said::allows);
    let within_session = session.as_ref().map_or(!who.contains(":federated-user/"), Said::allows);
    let limits = within_boundary && within_session;
    let by_identity = (identity.iter().any(Said::allows) || who.ends_with(":root")) && limits;
    if owner != Some(account) {
        return by_identity && granted > 0;
    }
    let action = case["action"].as_str().unwrap();
    let on = |what: &str| case["resource"].as_str().unwrap().contains(what);
    let needs_resource_policy =
        (action == "sts:AssumeRole" && on(":role/")) || (action == "kms:Decrypt" && on(":key/"));
    granted == 3
        || (granted == 2 && limits)
        || (by_identity && (granted > 0 || !needs_resource_policy))
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Identity,
    Resource,
    Perimeter,
}

/// What a policy says: whether it denies, and how closely its Allow names the caller (1 account, 2 role, 3 itself).
struct Said {
    denies: bool,
    closeness: u8,
}

impl Said {
    fn allows(&self) -> bool {
        self.closeness > 0
    }

    fn of(case: &Value, policy: &Value, kind: Kind, bounded: bool) -> Self {
        let mut said = Self { denies: false, closeness: 0 };
        let variables = policy["Version"] == "2012-10-17";
        for statement in many(&policy["Statement"]) {
            let allow = statement["Effect"] == "Allow";
            let ask = Ask { case, allow, variables };
            let closeness = ask.principal(&statement, kind, bounded);
            if ask.action(&statement)
                && ask.resource(&statement, kind)
                && closeness > 0
                && ask.conditions(&statement)
            {
                if allow {
                    said.closeness = said.closeness.max(closeness);
                } else {
                    said.denies = true;
                }
            }
        }
        said
    }
}

fn many(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    }
}

fn texts(value: &Value) -> Vec<String> {
    many(value)
        .iter()
        .map(|item| item.as_str().map_or_else(|| item.to_string(), ToOwned::to_owned))
        .collect()
}

struct Ask<'a> {
    case: &'a Value,
    allow: bool,
    variables: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Atom {
    Char(char),
    Star,
    One,
}

fn glob(pattern: &[Atom], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((Atom::Star, rest)) => (0..=text.len()).any(|taken| glob(rest, &text[taken..])),
        Some((Atom::One, rest)) => !text.is_empty() && glob(rest, &text[1..]),
        Some((Atom::Char(c), rest)) => text.first() == Some(c) && glob(rest, &text[1..]),
    }
}

fn wild(text: &str) -> Vec<Atom> {
    let atom = |c| match c {
        '*' => Atom::Star,
        '?' => Atom::One,
        other => Atom::Char(other),
    };
    text.chars().map(atom).collect()
}

fn segments(pattern: &[Atom]) -> Vec<Vec<Atom>> {
    let mut segments = vec![Vec::new()];
    for atom in pattern {
        if *atom == Atom::Char(':') && segments.len() < 6 {
            segments.push(Vec::new());
        } else {
            segments.last_mut().unwrap().push(*atom);
        }
    }
    segments
}

fn glob_arn(pattern: &[Atom], text: &str) -> bool {
    let parts: Vec<Vec<char>> = text.splitn(6, ':').map(|part| part.chars().collect()).collect();
    let patterns = segments(pattern);
    patterns.len() == 6
        && parts.len() == 6
        && patterns.iter().zip(&parts).all(|(pattern, part)| glob(pattern, part))
}

impl Ask<'_> {
    /// The values of a key, and whether it is multivalued.
    fn key(&self, key: &str) -> Option<(Vec<String>, bool)> {
        let context = self.case["context"].as_object().unwrap();
        let (_, value) =
            context.iter().find(|(name, _)| name.to_lowercase() == key.to_lowercase())?;
        Some((texts(value), value.is_array()))
    }

    /// Puts values in the place of variables; `None` if one has none.
    fn substitute(&self, text: &str, wildcards: bool) -> Option<Vec<Atom>> {
        let plain = |text: &str| text.chars().map(Atom::Char).collect::<Vec<_>>();
        let read = |text: &str| if wildcards { wild(text) } else { plain(text) };
        if !self.variables {
            return Some(read(text));
        }
        let mut atoms = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            atoms.extend(read(before));
            let (inside, after) = after.split_once('}')?;
            if ["*", "?", "$"].contains(&inside) {
                atoms.extend(plain(inside));
            } else {
                let (key, default) = match inside.split_once(", ") {
                    Some((key, default)) => (key, Some(default.trim_matches('\''))),
                    None => (inside, None),
                };
                match self.key(key) {
                    Some((values, false)) => atoms.extend(plain(&values[0])),
                    Some((_, true)) => return None,
                    None => atoms.extend(plain(default?)),
                }
            }
            rest = after;
        }
        atoms.extend(read(rest));
        Some(atoms)
    }

    fn action(&self, statement: &Value) -> bool {
        let action = self.case["action"].as_str().unwrap().to_lowercase();
        let (service, name) = action.split_once(':').unwrap();
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let listed = |value: &Value| {
            texts(value).iter().any(|pattern| match pattern.to_lowercase().split_once(':') {
                Some((s, n)) => glob(&wild(s), &chars(service)) && glob(&wild(n), &chars(name)),
                None => pattern == "*",
            })
        };
        if statement["Action"].is_null() {
            !listed(&statement["NotAction"])
        } else {
            listed(&statement["Action"])
        }
    }

    fn resource(&self, statement: &Value, kind: Kind) -> bool {
        let resource = self.case["resource"].as_str().unwrap();
        let mut unresolved = false;
        let mut listed = |value: &Value| {
            texts(value).iter().any(|pattern| {
                let mut pattern = pattern.clone();
                if pattern == "*" {
                    return true;
                }
                while pattern.starts_with("arn:")
                    && pattern.split(':').count() < 6
                    && !pattern.contains("${")
                {
                    pattern.push_str(":*");
                }
                let atoms = self.substitute(&pattern, true);
                unresolved |= atoms.is_none();
                atoms.is_some_and(|atoms| glob_arn(&atoms, resource))
            })
        };
        if !statement["Resource"].is_null() {
            listed(&statement["Resource"])
        } else if !statement["NotResource"].is_null() {
            let listed = listed(&statement["NotResource"]);
            !(listed || unresolved && self.allow)
        } else {
            kind == Kind::Resource || !self.allow
        }
    }

    /// Every name under which a policy can name the caller, from the account to the session, with its closeness.
    fn names(&self) -> Vec<(&'static str, String, u8)> {
        let who = self.case["principal"].as_str().unwrap();
        let parts: Vec<&str> = who.splitn(6, ':').collect();
        if who == "anonymous" {
            return Vec::new();
        }
        let [_, _, _, _, account, resource] = parts[..] else {
            return vec![("Service", who.to_owned(), 3)];
        };
        let root = format!("arn:aws:iam::{account}:root");
        let account_level = if resource == "root" { 3 } else { 1 };
        let mut names =
            vec![("AWS", account.to_owned(), account_level), ("AWS", root, account_level)];
        if let Some(session) = resource.strip_prefix("assumed-role/") {
            let role = session.split_once('/').unwrap().0;
            names.push(("AWS", format!("arn:aws:iam::{account}:role/{role}"), 2));
            names.push(("AWS", who.to_owned(), 3));
        } else if resource.starts_with("role/") {
            names.push(("AWS", who.to_owned(), 2));
        } else {
            names.push(("AWS", who.to_owned(), 3));
        }
        names
    }

    fn principal(&self, statement: &Value, kind: Kind, bounded: bool) -> u8 {
        let lists = |value: &Value, kind: &str, name: &str| {
            *value == "*"
                || texts(&value["AWS"]).iter().any(|entry| entry == "*")
                || texts(&value[kind]).iter().any(|entry| entry == name)
        };
        if !statement["Principal"].is_null() {
            let value = &statement["Principal"];
            if lists(value, "AWS", "*") {
                return 3;
            }
            let named = self.names().into_iter().filter(|(kind, name, _)| lists(value, kind, name));
            return named.map(|(_, _, closeness)| closeness).max().unwrap_or(0);
        }
        if !statement["NotPrincipal"].is_null() {
            let value = &statement["NotPrincipal"];
            let names = self.names();
            let applies = if self.allow {
                !lists(value, "AWS", "*")
                    && !names.iter().any(|(kind, name, _)| lists(value, kind, name))
            } else {
                // An account is listed by its number or by its root's ARN.
                let mut levels: Vec<u8> =
                    names.iter().map(|(_, _, closeness)| *closeness).collect();
                levels.dedup();
                let level_listed = |level: &u8| {
                    names.iter().any(|(kind, name, of)| of == level && lists(value, kind, name))
                };
                let spared = lists(value, "AWS", "*")
                    || (!names.is_empty() && levels.iter().all(level_listed));
                bounded || !spared
            };
            return if applies { 3 } else { 0 };
        }
        if kind == Kind::Identity || !self.allow { 3 } else { 0 }
    }

    fn conditions(&self, statement: &Value) -> bool {
        let Some(blocks) = statement["Condition"].as_object() else { return true };
        blocks.iter().all(|(operator, keys)| {
            keys.as_object()
                .unwrap()
                .iter()
                .all(|(key, values)| self.condition(operator, key, &texts(values)))
        })
    }

    fn condition(&self, operator: &str, key: &str, values: &[String]) -> bool {
        let value = self.key(key);
        if operator == "Null" {
            let absent =
                value.is_none_or(|(given, multi)| multi && (given.is_empty() || given == [""]));
            return values.iter().any(|wanted| wanted == if absent { "true" } else { "false" });
        }
        let (set, operator) =
            operator.split_once(':').map_or(("", operator), |(set, rest)| (set, rest));
        let if_exists = operator.ends_with("IfExists");
        let operator = operator.trim_end_matches("IfExists");
        let negated = operator.contains("Not");
        let positive = operator.replace("Not", "");
        let given = value.filter(|(given, _)| !given.is_empty());
        let Some((given, _)) = given else {
            // Of `ForAnyValue` and `IfExists` the documentation does not say which prevails.
            let content = if_exists && (set != "ForAnyValue" || !self.allow);
            return content || set == "ForAllValues" || (set.is_empty() && negated);
        };
        if !set.is_empty() && given == [""] {
            return set == "ForAllValues";
        }
        let satisfied = |given: &String| {
            let results: Vec<Option<bool>> =
                values.iter().map(|value| self.compare(&positive, given, value)).collect();
            if results.contains(&Some(true)) {
                !negated
            } else if results.contains(&None) {
                negated && !self.allow
            } else {
                negated
            }
        };
        let every = set == "ForAllValues" || (set.is_empty() && self.allow);
        if every { given.iter().all(satisfied) } else { given.iter().any(satisfied) }
    }

    /// `None`: the policy's value is none for this operator.
    fn compare(&self, operator: &str, given: &str, value: &str) -> Option<bool> {
        let chars: Vec<char> = given.chars().collect();
        let ordered = |order: std::cmp::Ordering| match operator
            .trim_start_matches("Numeric")
            .trim_start_matches("Date")
        {
            "LessThan" => order.is_lt(),
            "LessThanEquals" => order.is_le(),
            "GreaterThan" => order.is_gt(),
            "GreaterThanEquals" => order.is_ge(),
            _ => order.is_eq(),
        };
        Some(match operator {
            "StringEquals" => glob(&self.substitute(value, false)?, &chars),
            "StringEqualsIgnoreCase" => {
                let lower = self.substitute(value, false)?.into_iter().map(|atom| match atom {
                    Atom::Char(c) => Atom::Char(c.to_ascii_lowercase()),
                    other => other,
                });
                glob(
                    &lower.collect::<Vec<_>>(),
                    &given.to_ascii_lowercase().chars().collect::<Vec<_>>(),
                )
            }
            "StringLike" => glob(&self.substitute(value, true)?, &chars),
            "ArnEquals" | "ArnLike" => {
                let atoms = self.substitute(value, true)?;
                given.starts_with("arn:")
                    && given.split(':').count() >= 6
                    && (value == "*" || glob_arn(&atoms, given))
            }
            "Bool" => {
                let value: bool = value.parse().ok()?;
                given.parse() == Ok(value)
            }
            "IpAddress" => {
                let range: ipnet::IpNet = value
                    .parse()
                    .or_else(|_| value.parse::<std::net::IpAddr>().map(ipnet::IpNet::from))
                    .ok()?;
                given.parse().is_ok_and(|address: std::net::IpAddr| range.contains(&address))
            }
            numeric if numeric.starts_with("Numeric") => {
                let value: i64 = value.parse().ok()?;
                given.parse().is_ok_and(|given: i64| ordered(given.cmp(&value)))
            }
            date if date.starts_with("Date") => {
                let instant = |text: &str| {
                    let seconds = text
                        .parse()
                        .ok()
                        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
                    seconds.or_else(|| text.parse().ok())
                };
                let value = instant(value)?;
                instant(given).is_some_and(|given| ordered(given.cmp(&value)))
            }
            other => panic!("{other}"),
        })
    }
}
