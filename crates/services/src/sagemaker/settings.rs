//! What the settings of a domain or profile ask of the caller, and whether they can be kept.

use std::collections::BTreeSet;

use sagegate_api::sagemaker::{
    DefaultSpaceSettings, DomainSettings, DomainSettingsForUpdate, StudioLifecycleConfigAppType,
    StudioWebPortal, UserSettings,
};
use sagegate_gate::env::Time;
use sagegate_gate::{AccountId, Fault, Need, Needs, Scope};
use sagegate_model::{Shape, View};
use sagegate_store::Read;

use super::app_image_config::AppImageConfigRecord;
use super::faults::validation;
use super::records::{DomainRecord, ProfileRecord};
use super::shapes::{Found, member, merged, structs, texts, texts_of};
use super::studio_lifecycle;
use super::{image, image_version, named, neighbours};

/// Security groups that a user's settings may name: one fewer than the five of a network
/// interface, since the group for NFS is added (SPEC 2.5, cross-field rules).
const SECURITY_GROUPS: usize = 4;

/// Members whose roles SageMaker assumes, so that their trust policies must name it.
const ASSUMED_BY_SAGEMAKER: [&str; 2] = ["ExecutionRole", "DomainExecutionRoleArn"];

/// Members whose roles the execution role asks for through sts:AssumeRole, under their own trust
/// policies, mostly in another account (SageMaker API, `EmrSettings`, `ModelRegisterSettings`).
const ASKED_FOR: [&str; 2] = ["AssumableRoleArns", "CrossAccountModelRegisterRoleArn"];

/// Settings of kinds of apps that run lifecycle configurations.
const LIFECYCLE_APPS: [(&str, StudioLifecycleConfigAppType); 6] = [
    ("JupyterServerAppSettings", StudioLifecycleConfigAppType::JupyterServer),
    ("KernelGatewayAppSettings", StudioLifecycleConfigAppType::KernelGateway),
    ("JupyterLabAppSettings", StudioLifecycleConfigAppType::JupyterLab),
    ("SpaceJupyterLabAppSettings", StudioLifecycleConfigAppType::JupyterLab),
    ("CodeEditorAppSettings", StudioLifecycleConfigAppType::CodeEditor),
    ("SpaceCodeEditorAppSettings", StudioLifecycleConfigAppType::CodeEditor),
];

/// Settings as a request hands them over, of whatever kind, laid open.
#[derive(Debug, Default)]
pub(super) struct Given<'a> {
    found: Vec<Found<'a>>,
    /// Custom images: the name, and the version if one is named.
    images: Vec<(&'a str, Option<i32>)>,
    /// How custom images are run: names of AppImageConfigs.
    image_configs: Vec<&'a str>,
    /// Images of resource specifications and the aliases by which these name versions of them.
    aliases: Vec<(&'a str, &'a str)>,
    /// Lifecycle configurations in settings of a kind of app: the kind, the ARN.
    lifecycle: Vec<(StudioLifecycleConfigAppType, &'a str)>,
}

impl<'a> Given<'a> {
    /// Adds settings.
    pub(super) fn and<T: Shape>(mut self, settings: Option<&'a T>) -> Self {
        let Some(settings) = settings else { return self };
        self.found.extend(texts(settings));
        for image in structs(settings, "CustomImage") {
            let version = match member(image, "ImageVersionNumber") {
                Some(View::Int(version)) => Some(version),
                _ => None,
            };
            if let Some(View::Text(name)) = member(image, "ImageName") {
                self.images.push((name, version));
            }
            if let Some(View::Text(name)) = member(image, "AppImageConfigName") {
                self.image_configs.push(name);
            }
        }
        for spec in structs(settings, "ResourceSpec") {
            if let Some(View::Text(image)) = member(spec, "SageMakerImageArn")
                && let Some(View::Text(alias)) = member(spec, "SageMakerImageVersionAlias")
            {
                self.aliases.push((image, alias));
            }
        }
        for (shape, app_type) in LIFECYCLE_APPS {
            for app in structs(settings, shape) {
                let named =
                    texts_of(app).into_iter().filter(|it| it.shape == "StudioLifecycleConfigArn");
                self.lifecycle.extend(named.map(|it| (app_type, it.text)));
            }
        }
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

    /// The roles that are handed over (docs/decisions/0012-roles-handed-over.md): all that are
    /// named, but for a role of another account that the execution role is only to ask for later.
    pub(super) fn passed_roles(&self, scope: &Scope) -> Vec<String> {
        let mut roles: Vec<String> = Vec::new();
        for found in self.found.iter().filter(|found| found.shape == "RoleArn") {
            let own = account_of(found.text).as_ref() == Some(&scope.account);
            let passed = own || !ASKED_FOR.contains(&found.member);
            if passed && !roles.iter().any(|it| it == found.text) {
                roles.push(found.text.to_owned());
            }
        }
        roles
    }

    /// Whether SageMaker itself is to assume this role, and not another service.
    fn is_assumed(&self, role: &str) -> bool {
        self.found
            .iter()
            .any(|found| found.text == role && ASSUMED_BY_SAGEMAKER.contains(&found.member))
    }

    /// The security groups that apps get.
    pub(super) fn security_groups(&self) -> Vec<String> {
        self.of_shape("SecurityGroupId")
    }

    /// The ARNs of images and of image versions that apps get. Custom images are named by name and
    /// number and lie in this account; SageMaker has names in ARNs in lower case (SageMaker API,
    /// `ImageVersionArn`).
    fn images(&self, scope: &Scope) -> (Vec<String>, Vec<String>) {
        let (mut images, mut versions) =
            (self.of_shape("ImageArn"), self.of_shape("ImageVersionArn"));
        for (name, version) in &self.images {
            let name = name.to_ascii_lowercase();
            images.push(scope.arn("sagemaker", &format!("image/{name}")));
            let version = version.map(|version| format!("image-version/{name}/{version}"));
            versions.extend(version.map(|version| scope.arn("sagemaker", &version)));
        }
        for arns in [&mut images, &mut versions] {
            arns.sort();
            arns.dedup();
        }
        (images, versions)
    }

    /// Adds the condition keys that settings give their operation (SPEC 3.1). A key is absent where
    /// the request names nothing of it.
    pub(super) fn keys(&self, scope: &Scope, mut need: Need) -> Need {
        let (images, image_versions) = self.images(scope);
        for (key, values) in [
            ("sagemaker:VpcSecurityGroupIds", self.security_groups()),
            ("sagemaker:InstanceTypes", self.of_shape("AppInstanceType")),
            ("sagemaker:ImageArns", images),
            ("sagemaker:ImageVersionArns", image_versions),
            ("sagemaker:StudioLifecycleConfigArns", self.of_shape("StudioLifecycleConfigArn")),
        ] {
            if !values.is_empty() {
                need = need.key(key, values);
            }
        }
        need
    }

    /// A need of iam:PassRole for every role handed over, with the service that receives it.
    pub(super) fn pass_roles(&self, scope: &Scope, mut needs: Needs) -> Needs {
        for arn in self.passed_roles(scope) {
            needs = needs.and(neighbours::pass_role(&arn));
        }
        needs
    }

    /// Whether every role handed over exists in this account and, where SageMaker is to assume it,
    /// lets it.
    ///
    /// # Errors
    /// `ValidationException` naming the role.
    pub(super) fn check_roles(
        &self,
        state: &dyn Read,
        scope: &Scope,
        domain_arn: &str,
        now: Time,
    ) -> Result<(), Fault> {
        for arn in self.passed_roles(scope) {
            if !self.is_assumed(&arn) {
                if !neighbours::role_exists(state, scope, &arn)? {
                    return Err(validation(format!("The role {arn} does not exist.")));
                }
            } else {
                neighbours::check_assumable(state, scope, &arn, domain_arn, now)?;
            }
        }
        Ok(())
    }

    /// Whether everything of this account that settings name for apps to run is there: lifecycle
    /// configurations of the right kind of app, images, their versions, and how to run them. Images of
    /// other accounts, such as SageMaker's own, are taken at their word.
    ///
    /// # Errors
    /// `ValidationException` naming what is not.
    pub(super) fn check_named(&self, state: &dyn Read, scope: &Scope) -> Result<(), Fault> {
        for (app_type, arn) in &self.lifecycle {
            studio_lifecycle::check(state, scope, arn, Some(*app_type))?;
        }
        for arn in self.of_shape("StudioLifecycleConfigArn") {
            studio_lifecycle::check(state, scope, &arn, None)?;
        }
        let missing =
            |what: &str, name: &str| validation(format!("The {what} [{name}] does not exist."));
        let (images, versions) = self.images(scope);
        for arn in images {
            if image::is_missing(state, scope, &arn)? {
                return Err(missing("Image", &arn));
            }
        }
        for arn in versions {
            if image_version::is_missing(state, scope, &arn)? {
                return Err(missing("ImageVersion", &arn));
            }
        }
        for (image, alias) in &self.aliases {
            if image_version::lacks_alias(state, scope, image, alias)? {
                return Err(validation(format!(
                    "The Image [{image}] has no ImageVersion with the Alias {alias}."
                )));
            }
        }
        for name in &self.image_configs {
            if named::find::<AppImageConfigRecord>(state, scope, name)?.is_none() {
                return Err(missing("AppImageConfig", name));
            }
        }
        Ok(())
    }
}

fn account_of(arn: &str) -> Option<AccountId> {
    AccountId::parse(arn.split(':').nth(4)?).ok()
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
        CanvasAppSettings, CustomImage, DefaultEbsStorageSettings, DefaultSpaceStorageSettings,
        EmrSettings, GenerativeAiSettings, JupyterLabAppSettings, KernelGatewayAppSettings,
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
                    cross_account_model_register_role_arn: Some(
                        "arn:aws:iam::999999999999:role/foreign".into(),
                    ),
                    ..ModelRegisterSettings::default()
                }),
                ..CanvasAppSettings::default()
            }),
            jupyter_lab_app_settings: Some(JupyterLabAppSettings {
                emr_settings: Some(EmrSettings {
                    assumable_role_arns: Some(vec!["arn:aws:iam::999999999999:role/asked".into()]),
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

    fn scope() -> Scope {
        Scope {
            account: AccountId::parse("123456789012").unwrap(),
            region: sagegate_gate::Region::parse("us-west-2").unwrap(),
        }
    }

    /// The documentation does not say whether a role of the own account that is only asked for has
    /// to be passed; one of another account cannot be.
    #[test]
    fn a_role_of_the_own_account_is_passed_whoever_asks_for_it() {
        let asked = |arn: &str| UserSettings {
            jupyter_lab_app_settings: Some(JupyterLabAppSettings {
                emr_settings: Some(EmrSettings {
                    assumable_role_arns: Some(vec![arn.into()]),
                    ..EmrSettings::default()
                }),
                ..JupyterLabAppSettings::default()
            }),
            ..UserSettings::default()
        };
        let passed =
            |settings: &UserSettings| Given::default().and(Some(settings)).passed_roles(&scope());
        assert_eq!(passed(&asked(&role("own"))), [role("own")]);
        let foreign = "arn:aws:iam::999999999999:role/foreign";
        assert!(passed(&asked(foreign)).is_empty());
        // The same role under another member is handed over as well.
        let both = UserSettings { execution_role: Some(foreign.into()), ..asked(foreign) };
        assert_eq!(passed(&both), [foreign]);
    }

    #[test]
    fn every_role_handed_over_is_passed_once_and_no_other() {
        let settings = settings();
        let given = Given::default().and(Some(&settings)).and(Some(&settings));
        assert_eq!(given.passed_roles(&scope()), [role("exec"), role("bedrock"), role("emr")]);
        let needs = given.pass_roles(&scope(), Needs::nothing());
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
        let need = Given::default()
            .and(Some(&settings))
            .keys(&scope(), Need::any("sagemaker:CreateDomain"));
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
        let nothing = Given::default().keys(&scope(), Need::any("sagemaker:CreateDomain"));
        assert!(nothing.keys.is_empty());
    }

    /// A Deny of an image holds however the image is named.
    #[test]
    fn custom_images_are_images_too() {
        let image = |name: &str, version| CustomImage {
            image_name: name.into(),
            image_version_number: version,
            app_image_config_name: "c".into(),
        };
        let settings = UserSettings {
            jupyter_lab_app_settings: Some(JupyterLabAppSettings {
                custom_images: Some(vec![image("My.Image", Some(3)), image("other", None)]),
                ..JupyterLabAppSettings::default()
            }),
            kernel_gateway_app_settings: Some(KernelGatewayAppSettings {
                custom_images: Some(vec![image("my.image", None)]),
                ..KernelGatewayAppSettings::default()
            }),
            ..UserSettings::default()
        };
        let given = Given::default().and(Some(&settings));
        let at = "arn:aws:sagemaker:us-west-2:123456789012";
        assert_eq!(
            given.images(&scope()),
            (
                vec![format!("{at}:image/my.image"), format!("{at}:image/other")],
                vec![format!("{at}:image-version/my.image/3")]
            )
        );
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
