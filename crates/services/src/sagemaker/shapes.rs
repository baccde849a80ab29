//! API structures as stored data: to JSON and back, merged, and searched, by their schema tables.
//!
//! Settings such as `UserSettings` have dozens of nested structures. They are kept as the API has
//! them, member by member under the names of the model, so that what was given is what Describe
//! answers, and one rule (absent members do not reset) holds at every depth.

use sagegate_model::{Kind, Member, Shape, Slot, Struct, View};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// An API structure in a stored record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stored<T>(pub T);

impl<T: Shape> Serialize for Stored<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        to_value(View::Struct(&self.0)).serialize(serializer)
    }
}

impl<'de, T: Shape> Deserialize<'de> for Stored<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        from_value(&value).map(Self).map_err(serde::de::Error::custom)
    }
}

/// A value of an enumeration in a stored record, as the API writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Word<E>(pub E);

impl<E: std::fmt::Display> Serialize for Word<E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, E: std::str::FromStr> Deserialize<'de> for Word<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let unknown = |_| serde::de::Error::custom("a value that the enumeration does not have");
        text.parse().map(Self).map_err(unknown)
    }
}

/// The structure as JSON: absent members are left out.
#[must_use]
pub fn to_json<T: Shape>(shape: &T) -> Value {
    to_value(View::Struct(shape))
}

fn to_value(view: View<'_>) -> Value {
    match view {
        View::Bool(value) => value.into(),
        View::Int(value) => value.into(),
        View::Long(value) => value.into(),
        View::Float(value) => value.into(),
        View::Double(value) => value.into(),
        View::Text(value) => value.into(),
        View::Bytes(value) => value.iter().map(|byte| Value::from(*byte)).collect(),
        View::Time(value) => value.as_millis().into(),
        View::Struct(value) => Value::Object(members(value)),
        View::List(value) => (0..value.len())
            .filter_map(|index| value.item(index).and_then(Member::view))
            .map(to_value)
            .collect(),
        View::Map(value) => {
            let mut entries = Map::new();
            value.each(&mut |key, member| {
                if let Some(view) = member.view() {
                    entries.insert(key.to_owned(), to_value(view));
                }
            });
            Value::Object(entries)
        }
    }
}

fn members(shape: &dyn Struct) -> Map<String, Value> {
    let mut out = Map::new();
    for (index, member) in shape.schema().members.iter().enumerate() {
        if let Some(view) = shape.member(index).and_then(Member::view) {
            out.insert(member.name.to_owned(), to_value(view));
        }
    }
    out
}

/// The structure that [`to_json`] made this of.
///
/// # Errors
/// The path of the first member that does not fit, without its contents.
pub fn from_value<T: Shape>(value: &Value) -> Result<T, String> {
    let mut shape = T::default();
    fill_struct(&mut shape, value)?;
    Ok(shape)
}

fn fill_struct(shape: &mut dyn Struct, value: &Value) -> Result<(), String> {
    let schema = shape.schema();
    let Value::Object(given) = value else {
        return Err(format!("{} is not an object", schema.name));
    };
    for (name, value) in given {
        let index = schema
            .members
            .iter()
            .position(|member| member.name == name)
            .ok_or_else(|| format!("{} has no member {name}", schema.name))?;
        if let Some(member) = shape.member_mut(index) {
            fill(member.slot(), value).map_err(|cause| format!("{name}: {cause}"))?;
        }
    }
    Ok(())
}

fn fill(slot: Slot<'_>, value: &Value) -> Result<(), String> {
    let wrong = || "another type".to_owned();
    match slot {
        Slot::Bool(out) => *out = value.as_bool().ok_or_else(wrong)?,
        Slot::Int(out) => {
            *out = value.as_i64().and_then(|it| it.try_into().ok()).ok_or_else(wrong)?;
        }
        Slot::Long(out) => *out = value.as_i64().ok_or_else(wrong)?,
        Slot::Float(out) => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "it was an f32 when it was written"
            )]
            let number = value.as_f64().ok_or_else(wrong)? as f32;
            *out = number;
        }
        Slot::Double(out) => *out = value.as_f64().ok_or_else(wrong)?,
        Slot::Text(out) => value.as_str().ok_or_else(wrong)?.clone_into(out),
        Slot::Enum(out) => {
            if !out.set(value.as_str().ok_or_else(wrong)?) {
                return Err("a value that the enumeration does not have".to_owned());
            }
        }
        Slot::Bytes(out) => {
            let bytes = value.as_array().ok_or_else(wrong)?.iter();
            *out = bytes
                .map(|byte| byte.as_u64().and_then(|it| it.try_into().ok()).ok_or_else(wrong))
                .collect::<Result<_, _>>()?;
        }
        Slot::Time(out) => {
            *out = sagegate_model::Timestamp::from_millis(value.as_i64().ok_or_else(wrong)?);
        }
        Slot::Struct(out) => fill_struct(out, value)?,
        Slot::List(out) => {
            for item in value.as_array().ok_or_else(wrong)? {
                fill(out.push().slot(), item)?;
            }
        }
        Slot::Map(out) => {
            for (key, item) in value.as_object().ok_or_else(wrong)? {
                fill(out.entry(key.clone()).slot(), item)?;
            }
        }
    }
    Ok(())
}

/// `base` with the members that `update` has: structures are merged member by member, everything
/// else (lists and maps included) is replaced, and what is absent stays as it was.
///
/// # Errors
/// Never for two values of one type that were made by the codecs; the text of [`from_value`]
/// otherwise.
pub fn merged<T: Shape>(base: &T, update: &T) -> Result<T, String> {
    let mut value = to_json(base);
    merge_struct(&mut value, update);
    from_value(&value)
}

fn merge_struct(base: &mut Value, update: &dyn Struct) {
    if !base.is_object() {
        *base = Value::Object(Map::new());
    }
    let Value::Object(base) = base else { return };
    for (index, member) in update.schema().members.iter().enumerate() {
        match update.member(index).and_then(Member::view) {
            None => {}
            // Of a union exactly one member is set: merging would leave two.
            Some(View::Struct(inner)) if !inner.schema().union => {
                merge_struct(base.entry(member.name).or_insert(Value::Null), inner);
            }
            Some(view) => {
                base.insert(member.name.to_owned(), to_value(view));
            }
        }
    }
}

/// One text found by [`texts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The name of the member that holds it, or holds the list that holds it.
    pub member: &'static str,
    /// The name of its shape in the model, such as `RoleArn`.
    pub shape: &'static str,
    /// The text.
    pub text: &'a str,
}

/// Every text in a structure, at any depth, with where it stands.
#[must_use]
pub fn texts<T: Shape>(shape: &T) -> Vec<Found<'_>> {
    let mut found = Vec::new();
    collect(shape, &mut found);
    found
}

/// [`texts`] of a structure that was found in another.
#[must_use]
pub fn texts_of(shape: &dyn Struct) -> Vec<Found<'_>> {
    let mut found = Vec::new();
    collect(shape, &mut found);
    found
}

/// Every structure of this name in a structure, at any depth.
#[must_use]
pub fn structs<'a, T: Shape>(shape: &'a T, name: &str) -> Vec<&'a dyn Struct> {
    fn look<'a>(view: View<'a>, name: &str, found: &mut Vec<&'a dyn Struct>) {
        match view {
            View::Struct(inner) => {
                if inner.schema().name == name {
                    found.push(inner);
                }
                let members = 0..inner.schema().members.len();
                for view in members.filter_map(|index| inner.member(index)?.view()) {
                    look(view, name, found);
                }
            }
            View::List(list) => {
                for view in (0..list.len()).filter_map(|index| list.item(index)?.view()) {
                    look(view, name, found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    look(View::Struct(shape), name, &mut found);
    found
}

/// The member of this name, if it is set.
#[must_use]
pub fn member<'a>(shape: &'a dyn Struct, name: &str) -> Option<View<'a>> {
    let index = shape.schema().members.iter().position(|member| member.name == name)?;
    shape.member(index)?.view()
}

fn collect<'a>(shape: &'a dyn Struct, found: &mut Vec<Found<'a>>) {
    for (index, member) in shape.schema().members.iter().enumerate() {
        if let Some(view) = shape.member(index).and_then(Member::view) {
            visit(member.name, &member.shape.kind, member.shape.name, view, found);
        }
    }
}

fn visit<'a>(
    member: &'static str,
    kind: &'static Kind,
    shape: &'static str,
    view: View<'a>,
    found: &mut Vec<Found<'a>>,
) {
    match (view, kind) {
        (View::Text(text), _) => found.push(Found { member, shape, text }),
        (View::Struct(inner), _) => collect(inner, found),
        (View::List(list), Kind::List(schema)) => {
            for index in 0..list.len() {
                if let Some(view) = list.item(index).and_then(Member::view) {
                    visit(member, &schema.item.kind, schema.item.name, view, found);
                }
            }
        }
        // No settings structure has a map; a map's texts would have to be collected by value.
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sagegate_api::sagemaker::{
        CustomFileSystemConfig, CustomPosixUserConfig, EFSFileSystemConfig, EmrSettings,
        JupyterLabAppSettings, ResourceSpec, SharingSettings, StudioWebPortal, UserSettings,
    };

    use super::*;

    fn full() -> UserSettings {
        UserSettings {
            execution_role: Some("arn:aws:iam::123456789012:role/a".into()),
            security_groups: Some(vec!["sg-1".into(), "sg-2".into()]),
            sharing_settings: Some(SharingSettings {
                s3_kms_key_id: Some("k".into()),
                ..SharingSettings::default()
            }),
            jupyter_lab_app_settings: Some(JupyterLabAppSettings {
                default_resource_spec: Some(ResourceSpec {
                    instance_type: Some("ml.t3.large".into()),
                    ..ResourceSpec::default()
                }),
                emr_settings: Some(EmrSettings {
                    execution_role_arns: Some(vec!["arn:aws:iam::123456789012:role/emr".into()]),
                    ..EmrSettings::default()
                }),
                ..JupyterLabAppSettings::default()
            }),
            studio_web_portal: Some(StudioWebPortal::Enabled),
            custom_posix_user_config: Some(CustomPosixUserConfig { uid: 10_001, gid: 1_001 }),
            custom_file_system_configs: Some(vec![CustomFileSystemConfig {
                efs_file_system_config: Some(EFSFileSystemConfig {
                    file_system_id: "fs-1".into(),
                    file_system_path: None,
                }),
                ..CustomFileSystemConfig::default()
            }]),
            ..UserSettings::default()
        }
    }

    #[test]
    fn what_is_stored_comes_back() {
        for settings in [full(), UserSettings::default()] {
            let text = serde_json::to_string(&Stored(settings.clone())).unwrap();
            let back: Stored<UserSettings> = serde_json::from_str(&text).unwrap();
            assert_eq!(back.0, settings);
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_not_quoted() {
        for wrong in [
            r#"[]"#,
            r#"{"NoSuch":1}"#,
            r#"{"StudioWebPortal":"secret"}"#,
            r#"{"SecurityGroups":["a",7]}"#,
            r#"{"CustomPosixUserConfig":{"Uid":"secret"}}"#,
        ] {
            let error = serde_json::from_str::<Stored<UserSettings>>(wrong).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn absent_members_do_not_reset_and_lists_are_replaced() {
        let update = UserSettings {
            security_groups: Some(vec!["sg-3".into()]),
            jupyter_lab_app_settings: Some(JupyterLabAppSettings {
                default_resource_spec: Some(ResourceSpec {
                    lifecycle_config_arn: Some("arn:l".into()),
                    ..ResourceSpec::default()
                }),
                ..JupyterLabAppSettings::default()
            }),
            custom_file_system_configs: Some(Vec::new()),
            ..UserSettings::default()
        };
        let merged = merged(&full(), &update).unwrap();
        assert_eq!(merged.execution_role, full().execution_role);
        assert_eq!(merged.security_groups, Some(vec!["sg-3".to_owned()]));
        assert_eq!(merged.custom_file_system_configs, Some(Vec::new()));
        let lab = merged.jupyter_lab_app_settings.unwrap();
        assert!(lab.emr_settings.is_some());
        let spec = lab.default_resource_spec.unwrap();
        assert_eq!(spec.instance_type.as_deref(), Some("ml.t3.large"));
        assert_eq!(spec.lifecycle_config_arn.as_deref(), Some("arn:l"));
    }

    #[test]
    fn texts_are_found_at_any_depth_with_their_shape() {
        let settings = full();
        let roles: Vec<_> = texts(&settings)
            .into_iter()
            .filter(|found| found.shape == "RoleArn")
            .map(|found| (found.member, found.text))
            .collect();
        assert_eq!(
            roles,
            [
                ("ExecutionRole", "arn:aws:iam::123456789012:role/a"),
                ("ExecutionRoleArns", "arn:aws:iam::123456789012:role/emr"),
            ]
        );
    }

    proptest! {
        #[test]
        fn merging_nothing_changes_nothing_and_merging_twice_is_merging_once(
            role in proptest::option::of("[a-z]{1,8}"),
            groups in proptest::option::of(proptest::collection::vec("[a-z]{1,8}", 0..3)),
        ) {
            let update = UserSettings {
                execution_role: role,
                security_groups: groups,
                ..UserSettings::default()
            };
            prop_assert_eq!(merged(&full(), &UserSettings::default()).unwrap(), full());
            let once = merged(&full(), &update).unwrap();
            prop_assert_eq!(merged(&once, &update).unwrap(), once);
        }
    }
}
