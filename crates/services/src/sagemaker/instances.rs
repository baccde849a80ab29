//! Instance types of Studio apps and notebook instances: what each has of processors and memory.
//!
//! Figures: Amazon SageMaker pricing, "Studio", and Amazon EC2 instance types, of the types that the
//! model's `AppInstanceType` and `InstanceType` have. For g7, which those tables do not have yet, the ratio of its
//! predecessor g6 is taken.

use super::faults::validation;
use sagegate_api::sagemaker::AppType;
use sagegate_gate::Fault;

/// What an instance has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory, in GiB.
    pub memory_gib: u32,
}

/// The value that stands for what SageMaker itself chooses.
pub(super) const SYSTEM: &str = "system";
/// What runs where nobody has chosen (SageMaker API, `ResourceSpec.InstanceType`).
pub(super) const DEFAULT: &str = "ml.t3.medium";
/// The least memory of an app that can be entered from outside, in GiB (SPEC R0.11).
const REMOTE_ACCESS: u32 = 8;

/// Families whose instances have memory in proportion to their processors: GiB for each.
const IN_PROPORTION: &[(&str, u32)] = &[
    ("c5", 2),
    ("c5d", 2),
    ("c6i", 2),
    ("c6id", 2),
    ("c7i", 2),
    ("g4dn", 4),
    ("g5", 4),
    ("g6", 4),
    ("g6e", 8),
    ("g7", 4),
    ("g7e", 8),
    ("inf1", 2),
    ("inf2", 4),
    ("m4", 4),
    ("m5", 4),
    ("m5d", 4),
    ("m6i", 4),
    ("m6id", 4),
    ("m7i", 4),
    ("r5", 8),
    ("r6i", 8),
    ("r6id", 8),
    ("r7i", 8),
];

/// All others: processors and GiB.
const OTHERS: &[(&str, u32, u32)] = &[
    // 7.5 GiB.
    ("c4.xlarge", 4, 7),
    ("c4.2xlarge", 8, 15),
    ("c4.4xlarge", 16, 30),
    ("c4.8xlarge", 36, 60),
    ("geospatial.interactive", 16, 32),
    ("p2.xlarge", 4, 61),
    ("p2.8xlarge", 32, 488),
    ("p2.16xlarge", 64, 732),
    ("p3.2xlarge", 8, 61),
    ("p3.8xlarge", 32, 244),
    ("p3.16xlarge", 64, 488),
    ("p3dn.24xlarge", 96, 768),
    ("p4d.24xlarge", 96, 1_152),
    ("p4de.24xlarge", 96, 1_152),
    ("p5.4xlarge", 16, 256),
    ("p5.48xlarge", 192, 2_048),
    ("p5en.48xlarge", 192, 2_048),
    ("p6-b200.48xlarge", 192, 2_048),
    ("t2.medium", 2, 4),
    ("t2.large", 2, 8),
    ("t2.xlarge", 4, 16),
    ("t2.2xlarge", 8, 32),
    ("t3.micro", 2, 1),
    ("t3.small", 2, 2),
    ("t3.medium", 2, 4),
    ("t3.large", 2, 8),
    ("t3.xlarge", 4, 16),
    ("t3.2xlarge", 8, 32),
    ("trn1.2xlarge", 8, 32),
    ("trn1.32xlarge", 128, 512),
    ("trn1n.32xlarge", 128, 512),
];

/// What an instance of this type has; nothing for a type that is not known, and for `system`.
#[must_use]
pub fn capacity(instance_type: &str) -> Option<Capacity> {
    let name = instance_type.strip_prefix("ml.")?;
    if let Some((_, vcpus, memory_gib)) = OTHERS.iter().find(|(it, ..)| *it == name) {
        return Some(Capacity { vcpus: *vcpus, memory_gib: *memory_gib });
    }
    let (family, size) = name.split_once('.')?;
    let (_, each) = IN_PROPORTION.iter().find(|(it, _)| *it == family)?;
    let vcpus = match size.strip_suffix("xlarge") {
        Some("") => 4,
        Some(number) => 4 * number.parse::<u32>().ok().filter(|it| (2..=48).contains(it))?,
        None if size == "large" => 2,
        None => return None,
    };
    Some(Capacity { vcpus, memory_gib: vcpus * each })
}

/// The instance type that an app of this kind runs on.
///
/// # Errors
/// `ValidationException` for a type that apps of this kind do not run on: JupyterServer has `system`
/// alone, which for the others stands for the least (SageMaker API, `ResourceSpec.InstanceType`).
pub(super) fn chosen(app_type: AppType, given: Option<&str>) -> Result<String, Fault> {
    match given {
        None if app_type == AppType::JupyterServer => Ok(SYSTEM.to_owned()),
        Some(given) if app_type == AppType::JupyterServer && given != SYSTEM => {
            Err(validation(format!(
                "InstanceType '{given}' is not supported for apps of type JupyterServer: the only \
                 supported InstanceType is '{SYSTEM}'."
            )))
        }
        Some(given) if app_type == AppType::JupyterServer || given != SYSTEM => {
            Ok(given.to_owned())
        }
        _ => Ok(DEFAULT.to_owned()),
    }
}

/// Whether an app of a space with remote access can run on this type.
///
/// # Errors
/// `ValidationException` with the text that clients know (SPEC R0.11).
pub(super) fn check_remote_access(space: &str, instance_type: &str) -> Result<(), Fault> {
    if capacity(instance_type).is_some_and(|it| it.memory_gib >= REMOTE_ACCESS) {
        return Ok(());
    }
    Err(validation(format!(
        "Unable to create app for [{space}] because instanceType [{instance_type}] is not supported \
         for remote access enabled spaces. Use instanceType with at least {REMOTE_ACCESS} GiB memory."
    )))
}

#[cfg(test)]
mod tests {
    use sagegate_api::sagemaker::{CreateNotebookInstanceInput, ResourceSpec};
    use sagegate_model::{Kind, Shape};

    use super::*;

    fn types() -> Vec<&'static str> {
        values(ResourceSpec::SCHEMA)
    }

    fn values(shape: &'static sagegate_model::StructSchema) -> Vec<&'static str> {
        let member = shape.members.iter().find(|it| it.name == "InstanceType");
        match &member.unwrap().shape.kind {
            Kind::Text(text) => text.values.to_vec(),
            _ => panic!("InstanceType is a text"),
        }
    }

    #[test]
    fn every_type_of_the_model_has_a_capacity() {
        let all = types().into_iter().chain(values(CreateNotebookInstanceInput::SCHEMA));
        let lacking: Vec<_> = all.filter(|it| capacity(it).is_none() && *it != SYSTEM).collect();
        assert!(lacking.is_empty(), "{lacking:?}");
        for wrong in
            ["", "ml.", "t3.large", "ml.m5", "ml.m5.xlarge.x", "ml.m5.999xlarge", "ml.x.large"]
        {
            assert_eq!(capacity(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn those_that_are_too_small_for_remote_access_are_those_that_the_documentation_names() {
        let small: Vec<_> =
            types().into_iter().filter(|it| check_remote_access("s", it).is_err()).collect();
        assert_eq!(
            small,
            [
                "system",
                "ml.t3.micro",
                "ml.t3.small",
                "ml.t3.medium",
                "ml.c5.large",
                "ml.c6i.large",
                "ml.c7i.large",
                "ml.c6id.large",
            ]
        );
        assert_eq!(
            check_remote_access("lab", "ml.t3.medium").unwrap_err().message,
            "Unable to create app for [lab] because instanceType [ml.t3.medium] is not supported for \
             remote access enabled spaces. Use instanceType with at least 8 GiB memory."
        );
    }

    #[test]
    fn jupyter_server_runs_on_system_alone() {
        assert_eq!(chosen(AppType::JupyterServer, None).unwrap(), "system");
        assert!(chosen(AppType::JupyterServer, Some("ml.m5.large")).is_err());
        assert_eq!(chosen(AppType::KernelGateway, Some("system")).unwrap(), "ml.t3.medium");
        assert_eq!(chosen(AppType::JupyterLab, None).unwrap(), "ml.t3.medium");
        assert_eq!(chosen(AppType::CodeEditor, Some("ml.m5.large")).unwrap(), "ml.m5.large");
    }
}
