//! What the settings of a domain or profile ask of the caller, and whether they can be kept.

use std::collections::BTreeSet;

use sagegate_api::sagemaker::{
    DefaultSpaceSettings, DomainSettings, DomainSettingsForUpdate, StudioWebPortal, UserSettings,
};
use sagegate_gate::{AccountId, Fault, Need, Needs, Scope};
use sagegate_model::Shape;
use sagegate_store::Read;

use super::faults::validation;
use super::neighbours;
use super::records::{DomainRecord, ProfileRecord};
use super::shapes::{Found, merged, texts};

/// Security groups that a user's settings may name: one fewer than the five of a network
/// interface, since the group for NFS is added (SPEC 2.5, cross-field rules).
const SECURITY_GROUPS: usize = 4;

/// Settings as a request hands them over, of whatever kind, laid open.
#[derive(Debug, Default)]
pub(super) struct Given<'a> {
    found: Vec<Found<'a>>,
}

impl<'a> Given<'a> {
    /// Adds settings.
    pub(super) fn and<T: Shape>(mut self, settings: Option<&'a T>) -> Self {
        self.found.extend(settings.map(texts).unwrap_or_default());
        self
    }

    fn of_shape(&self, shape: &str) -> Vec<String> {
        let unique: BTreeSet<&str> = self
            .found
            .iter()
            .filter(|found| found.shape == shape && found.member != "HiddenInstanceTypes")
            .map(|found| found.text)
            .collect();
        unique.into_iter().map(str::to_owned).collect()
    }

    /// The roles that SageMaker, or what it runs, will act as. Two members name roles that are not
    /// handed over but asked for later by the execution role, through sts:AssumeRole and under
    /// their own trust policies, usually in another account: `AssumableRoleArns` and
    /// `CrossAccountModelRegisterRoleArn` (SageMaker API, `EmrSettings`, `ModelRegisterSettings`).
    pub(super) fn passed_roles(&self) -> Vec<String> {
        const ASKED_FOR: [&str; 2] = ["AssumableRoleArns", "CrossAccountModelRegisterRoleArn"];
        let mut roles: Vec<String> = Vec::new();
        for found in &self.found {
            let passed = found.shape == "RoleArn" && !ASKED_FOR.contains(&found.member);
            if passed && !roles.iter().any(|it| it == found.text) {
                roles.push(found.text.to_owned());
            }
        }
        roles
    }

    /// The security groups that apps get.
    pub(super) fn security_groups(&self) -> Vec<String> {
        self.of_shape("SecurityGroupId")
    }

    /// Adds the condition keys that settings give their operation (SPEC 3.1). A key is absent where
    /// the request names nothing of it.
    pub(super) fn keys(&self, mut need: Need) -> Need {
        for (key, values) in [
            ("sagemaker:VpcSecurityGroupIds", self.security_groups()),
            ("sagemaker:InstanceTypes", self.of_shape("AppInstanceType")),
            ("sagemaker:ImageArns", self.of_shape("ImageArn")),
            ("sagemaker:ImageVersionArns", self.of_shape("ImageVersionArn")),
            ("sagemaker:StudioLifecycleConfigArns", self.of_shape("StudioLifecycleConfigArn")),
        ] {
            if !values.is_empty() {
                need = need.key(key, values);
            }
        }
        need
    }

    /// A need of iam:PassRole for every role handed over, with the service that receives it.
    pub(super) fn pass_roles(&self, mut needs: Needs) -> Needs {
        for arn in self.passed_roles() {
            let account = arn.split(':').nth(4).and_then(|it| AccountId::parse(it).ok());
            let mut need =
                Need::on("iam:PassRole", arn).key("iam:PassedToService", neighbours::SERVICE);
            need.resource_account = account;
            needs = needs.and(need);
        }
        needs
    }

    /// Whether every role handed over exists in this account and lets SageMaker assume it.
    ///
    /// # Errors
    /// `ValidationException` naming the role.
    pub(super) fn check_roles(
        &self,
        state: &dyn Read,
        scope: &Scope,
        domain_arn: &str,
    ) -> Result<(), Fault> {
        for arn in self.passed_roles() {
            if !neighbours::trusts_sagemaker(state, scope, &arn, domain_arn)? {
                return Err(validation(format!(
                    "Could not assume role {arn}. Please ensure that the role exists and allows \
                     principal 'sagemaker.amazonaws.com' to assume the role."
                )));
            }
        }
        Ok(())
    }
}

/// A key as condition keys have it, by its ARN: what is given by id or alias is in this account.
pub(super) fn key_arn(scope: &Scope, key: &str) -> String {
    if key.starts_with("arn:") {
        key.to_owned()
    } else if key.starts_with("alias/") {
        scope.arn("kms", key)
    } else {
        scope.arn("kms", &format!("key/{key}"))
    }
}

/// The key under which notebook output is shared: `sagemaker:DomainSharingOutputKmsKeyArn`.
pub(super) fn sharing_key(scope: &Scope, settings: Option<&UserSettings>) -> Option<String> {
    let key = settings?.sharing_settings.as_ref()?.s3_kms_key_id.as_ref()?;
    Some(key_arn(scope, key))
}

/// Rules that join members of user settings (SPEC 2.5, cross-field rules).
///
/// # Errors
/// `ValidationException` naming the member.
pub(super) fn check_user_settings(settings: &UserSettings, at: &str) -> Result<(), Fault> {
    let groups = settings.security_groups.as_deref().unwrap_or_default();
    if groups.len() > SECURITY_GROUPS {
        return Err(validation(format!(
            "{at}.SecurityGroups names {} security groups; at most {SECURITY_GROUPS} can be given, \
             since Amazon SageMaker adds one for NFS traffic.",
            groups.len()
        )));
    }
    if let Some(uri) = settings.default_landing_uri.as_deref() {
        let studio = uri.starts_with("studio::");
        if !studio && !uri.starts_with("app:JupyterServer:") {
            return Err(validation(format!(
                "{at}.DefaultLandingUri '{uri}' must begin with 'studio::' or 'app:JupyterServer:'."
            )));
        }
        if studio && settings.studio_web_portal == Some(StudioWebPortal::Disabled) {
            return Err(validation(format!(
                "{at}.DefaultLandingUri can be 'studio::' only if StudioWebPortal is ENABLED."
            )));
        }
    }
    let storage = settings.space_storage_settings.as_ref();
    check_storage(storage.and_then(|it| it.default_ebs_storage_settings.as_ref()), at)
}

/// Rules that join members of the settings of shared spaces.
///
/// # Errors
/// `ValidationException` naming the member.
pub(super) fn check_space_settings(settings: &DefaultSpaceSettings, at: &str) -> Result<(), Fault> {
    let storage = settings.space_storage_settings.as_ref();
    check_storage(storage.and_then(|it| it.default_ebs_storage_settings.as_ref()), at)
}

fn check_storage(
    storage: Option<&sagegate_api::sagemaker::DefaultEbsStorageSettings>,
    at: &str,
) -> Result<(), Fault> {
    match storage {
        Some(it) if it.default_ebs_volume_size_in_gb > it.maximum_ebs_volume_size_in_gb => {
            Err(validation(format!(
                "{at}.SpaceStorageSettings: DefaultEbsVolumeSizeInGb ({}) is greater than \
                 MaximumEbsVolumeSizeInGb ({}).",
                it.default_ebs_volume_size_in_gb, it.maximum_ebs_volume_size_in_gb
            )))
        }
        _ => Ok(()),
    }
}

/// What a profile's settings come to when they are used: its own over its domain's defaults.
pub(super) fn effective(
    domain: &DomainRecord,
    profile: &ProfileRecord,
) -> Result<UserSettings, Fault> {
    let defaults = &domain.default_user_settings.0;
    match &profile.settings {
        Some(own) => over(defaults, &own.0),
        None => Ok(defaults.clone()),
    }
}

/// The first with what the second names.
pub(super) fn over<T: Shape>(base: &T, update: &T) -> Result<T, Fault> {
    merged(base, update).map_err(|cause| Fault::internal(format!("merging settings: {cause}")))
}

/// The settings of a domain in the form that an update has them, so that both are merged alike.
#[must_use]
pub(super) fn as_settings(update: &DomainSettingsForUpdate) -> DomainSettings {
    use sagegate_api::sagemaker::RStudioServerProDomainSettings as RStudio;
    let studio = update.r_studio_server_pro_domain_settings_for_update.as_ref();
    DomainSettings {
        security_group_ids: update.security_group_ids.clone(),
        r_studio_server_pro_domain_settings: studio.map(|it| RStudio {
            domain_execution_role_arn: it.domain_execution_role_arn.clone(),
            r_studio_connect_url: it.r_studio_connect_url.clone(),
            r_studio_package_manager_url: it.r_studio_package_manager_url.clone(),
            default_resource_spec: it.default_resource_spec.clone(),
        }),
        execution_role_identity_config: update.execution_role_identity_config,
        trusted_identity_propagation_settings: update.trusted_identity_propagation_settings.clone(),
        docker_settings: update.docker_settings.clone(),
        amazon_q_settings: update.amazon_q_settings.clone(),
        unified_studio_settings: update.unified_studio_settings.clone(),
        ip_address_type: update.ip_address_type,
    }
}

#[cfg(test)]
mod tests {
    use sagegate_api::sagemaker::{
        CanvasAppSettings, DefaultEbsStorageSettings, DefaultSpaceStorageSettings, EmrSettings,
        GenerativeAiSettings, JupyterLabAppSettings, KernelGatewayAppSettings,
        ModelRegisterSettings, ResourceSpec, StudioWebPortalSettings,
    };
    use sagegate_gate::needs::KeyValue;

    use super::*;

    fn role(name: &str) -> String {
        format!("arn:aws:iam::123456789012:role/{name}")
    }

    fn settings() -> UserSettings {
        UserSettings {
            execution_role: Some(role("exec")),
            security_groups: Some(vec!["sg-b".into(), "sg-a".into()]),
            canvas_app_settings: Some(CanvasAppSettings {
                generative_ai_settings: Some(GenerativeAiSettings {
                    amazon_bedrock_role_arn: Some(role("bedrock")),
                }),
                model_register_settings: Some(ModelRegisterSettings {
                    cross_account_model_register_role_arn: Some(role("foreign")),
                    ..ModelRegisterSettings::default()
                }),
                ..CanvasAppSettings::default()
            }),
            jupyter_lab_app_settings: Some(JupyterLabAppSettings {
                emr_settings: Some(EmrSettings {
                    assumable_role_arns: Some(vec![role("asked")]),
                    execution_role_arns: Some(vec![role("emr"), role("exec")]),
                }),
                lifecycle_config_arns: Some(vec!["arn:lc".into()]),
                ..JupyterLabAppSettings::default()
            }),
            kernel_gateway_app_settings: Some(KernelGatewayAppSettings {
                default_resource_spec: Some(ResourceSpec {
                    instance_type: Some("ml.m5.large".into()),
                    sage_maker_image_arn: Some("arn:image".into()),
                    ..ResourceSpec::default()
                }),
                ..KernelGatewayAppSettings::default()
            }),
            studio_web_portal_settings: Some(StudioWebPortalSettings {
                hidden_instance_types: Some(vec!["ml.p4d.24xlarge".into()]),
                ..StudioWebPortalSettings::default()
            }),
            ..UserSettings::default()
        }
    }

    #[test]
    fn every_role_handed_over_is_passed_once_and_no_other() {
        let settings = settings();
        let given = Given::default().and(Some(&settings)).and(Some(&settings));
        assert_eq!(given.passed_roles(), [role("exec"), role("bedrock"), role("emr")]);
        let needs = given.pass_roles(Needs::nothing());
        assert_eq!(needs.0.len(), 3);
        for need in needs.0 {
            assert_eq!(need.action, "iam:PassRole");
            assert_eq!(
                need.keys,
                [(
                    "iam:PassedToService".to_owned(),
                    KeyValue::One("sagemaker.amazonaws.com".into())
                )]
            );
        }
    }

    #[test]
    fn keys_hold_what_is_used_and_not_what_is_hidden() {
        let settings = settings();
        let need = Given::default().and(Some(&settings)).keys(Need::any("sagemaker:CreateDomain"));
        let many =
            |values: &[&str]| KeyValue::Many(values.iter().map(|it| (*it).to_owned()).collect());
        assert_eq!(
            need.keys,
            [
                ("sagemaker:VpcSecurityGroupIds".to_owned(), many(&["sg-a", "sg-b"])),
                ("sagemaker:InstanceTypes".to_owned(), many(&["ml.m5.large"])),
                ("sagemaker:ImageArns".to_owned(), many(&["arn:image"])),
                ("sagemaker:StudioLifecycleConfigArns".to_owned(), many(&["arn:lc"])),
            ]
        );
        let nothing = Given::default().keys(Need::any("sagemaker:CreateDomain"));
        assert!(nothing.keys.is_empty());
    }

    #[test]
    fn members_that_contradict_each_other_are_refused() {
        let wrong = [
            UserSettings {
                security_groups: Some(vec!["sg-1".into(); 5]),
                ..UserSettings::default()
            },
            UserSettings { default_landing_uri: Some("x".into()), ..UserSettings::default() },
            UserSettings {
                default_landing_uri: Some("studio::".into()),
                studio_web_portal: Some(StudioWebPortal::Disabled),
                ..UserSettings::default()
            },
            UserSettings {
                space_storage_settings: Some(DefaultSpaceStorageSettings {
                    default_ebs_storage_settings: Some(DefaultEbsStorageSettings {
                        default_ebs_volume_size_in_gb: 20,
                        maximum_ebs_volume_size_in_gb: 10,
                    }),
                }),
                ..UserSettings::default()
            },
        ];
        for settings in wrong {
            let fault = check_user_settings(&settings, "DefaultUserSettings").unwrap_err();
            assert_eq!(fault.code, "ValidationException");
            assert!(fault.message.contains("DefaultUserSettings"), "{}", fault.message);
        }
        assert!(check_user_settings(&settings(), "UserSettings").is_ok());
    }
}
