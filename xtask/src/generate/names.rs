//! Names of the model in Rust's cases.

const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
    "static", "struct", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield",
];

/// The words of a name: `KMSKeyId` is kms, key, id; `EnableIPv6` is enable, ipv6.
fn words(name: &str) -> Vec<String> {
    let name = name.replace("IPv", "Ipv");
    let letters: Vec<char> = name.chars().collect();
    let mut words: Vec<String> = Vec::new();
    let mut fresh = true;
    let mut before: Option<char> = None;
    for (index, &letter) in letters.iter().enumerate() {
        if !letter.is_ascii_alphanumeric() {
            fresh = true;
            before = None;
            continue;
        }
        let after = letters.get(index + 1);
        let starts = letter.is_ascii_uppercase()
            && before.is_some_and(|before| {
                !before.is_ascii_uppercase()
                    || after.is_some_and(|&after| {
                        // the plural of an acronym (`ARNs`, `VpcIDs`) stays one word
                        let plural = after == 's'
                            && letters.get(index + 2).is_none_or(|next| !next.is_ascii_lowercase());
                        after.is_ascii_lowercase() && !plural
                    })
            });
        match words.last_mut() {
            Some(word) if !fresh && !starts => word.push(letter.to_ascii_lowercase()),
            _ => words.push(letter.to_ascii_lowercase().to_string()),
        }
        fresh = false;
        before = Some(letter);
    }
    words
}

/// A field or module name.
pub(super) fn snake(name: &str) -> String {
    let name = words(name).join("_");
    if KEYWORDS.contains(&name.as_str()) {
        format!("r#{name}")
    } else if matches!(name.as_str(), "self" | "super" | "crate") {
        format!("{name}_")
    } else {
        name
    }
}

/// The name of a static.
pub(super) fn screaming(name: &str) -> String {
    words(name).join("_").to_uppercase()
}

/// The name of a variant.
pub(super) fn camel(text: &str) -> String {
    let mut name = String::new();
    for word in words(text) {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    match name.chars().next() {
        None => "Empty".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("V{name}"),
        Some(_) if name == "Self" => "Self_".to_owned(),
        Some(_) => name,
    }
}

/// The name of a type: the model's own with a capital, so that it is found by its AWS name.
pub(super) fn type_name(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    let name: String = first.into_iter().chain(letters.filter(|letter| *letter != '_')).collect();
    match name.as_str() {
        "Option" | "Vec" | "String" | "Box" | "Default" | "Debug" | "Clone" | "Member"
        | "Struct" | "Shape" => format!("{name}Shape"),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases() {
        for (name, expected) in [
            ("VpcId", "vpc_id"),
            ("KMSKeyId", "kms_key_id"),
            ("Ipv6CidrBlock", "ipv6_cidr_block"),
            ("EnableIPv6Pool", "enable_ipv6_pool"),
            ("type", "r#type"),
            ("Type", "r#type"),
            ("PolicyARNs", "policy_arns"),
            ("MFAAge", "mfa_age"),
            ("S3OutputPath", "s3_output_path"),
            ("vpc-id", "vpc_id"),
        ] {
            assert_eq!(snake(name), expected, "{name}");
        }
        assert_eq!(screaming("policyDocumentType"), "POLICY_DOCUMENT_TYPE");
        assert_eq!(camel("SSO"), "Sso");
        assert_eq!(camel("Update_Failed"), "UpdateFailed");
        assert_eq!(camel("ml.t3.medium"), "MlT3Medium");
        assert_eq!(camel("1"), "V1");
        assert_eq!(type_name("statusType"), "StatusType");
    }
}
