//! What a keeper minds: an app, or a run of a notebook instance.

use std::collections::BTreeMap;

use sagegate_api::sagemaker::AppNetworkAccessType;
use sagegate_gate::Scope;
use sagegate_services::sagemaker::workload::{Desired, DesiredNotebook, Wanted};

/// Something that is to run or to stop.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// An app of Studio.
    App(Box<Desired>),
    /// A run of a notebook instance.
    Notebook(Box<DesiredNotebook>),
}

/// What leads from a workload into a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// A network interface in a subnet of the account's, `eni-…`.
    Interface(String),
    /// SageMaker's own VPC, with the internet; the name of the place there.
    Internet(String),
}

impl Link {
    /// The interface, or the place's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Interface(name) | Self::Internet(name) => name,
        }
    }
}

impl Work {
    /// Its name among all workloads, of `[a-z0-9-]`, at most 64 characters: one for each run.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::App(it) => &it.id,
            Self::Notebook(it) => &it.id,
        }
    }

    /// Its home directory's name, of `[a-z0-9-]`, which outlives the run.
    #[must_use]
    pub fn home(&self) -> &str {
        match self {
            Self::App(it) => &it.home,
            Self::Notebook(it) => &it.home,
        }
    }

    /// Whether it is to run.
    #[must_use]
    pub fn state(&self) -> Wanted {
        match self {
            Self::App(it) => it.state,
            Self::Notebook(it) => it.state,
        }
    }

    /// Its account and region.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        match self {
            Self::App(it) => &it.scope,
            Self::Notebook(it) => &it.scope,
        }
    }

    /// The name of the app, or of the notebook instance.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::App(it) => &it.app_name,
            Self::Notebook(it) => &it.name,
        }
    }

    /// On whose behalf the role is assumed: the domain, for which CreateApp has asked the trust policy
    /// as well, or the notebook instance.
    #[must_use]
    pub fn source_arn(&self) -> String {
        match self {
            Self::App(it) => it.domain.arn(&it.scope),
            Self::Notebook(it) => it.arn.clone(),
        }
    }

    /// The ARN of the app, or of the notebook instance.
    #[must_use]
    pub fn arn(&self) -> &str {
        match self {
            Self::App(it) => &it.app_arn,
            Self::Notebook(it) => &it.arn,
        }
    }

    /// The ARN of the role of the code inside.
    #[must_use]
    pub fn role(&self) -> &str {
        match self {
            Self::App(it) => &it.execution_role,
            Self::Notebook(it) => &it.execution_role,
        }
    }

    /// The instance type, such as `ml.t3.medium`.
    #[must_use]
    pub fn instance_type(&self) -> &str {
        match self {
            Self::App(it) => &it.instance_type,
            Self::Notebook(it) => &it.instance_type,
        }
    }

    /// The network that it belongs to. A notebook instance in a subnet has that alone, whatever
    /// `DirectInternetAccess` says.
    #[must_use]
    pub fn link(&self) -> Option<Link> {
        let (interface, internet) = match self {
            Self::App(it) => {
                (&it.interface, it.network == AppNetworkAccessType::PublicInternetOnly)
            }
            Self::Notebook(it) => (&it.interface, it.direct_internet),
        };
        match interface {
            Some(interface) => Some(Link::Interface(interface.clone())),
            None => internet.then(|| Link::Internet(format!("internet-{}", self.id()))),
        }
    }

    /// After how many minutes without activity it is to be shut down. Notebook instances are not.
    #[must_use]
    pub fn idle_minutes(&self) -> Option<u32> {
        match self {
            Self::App(it) => it.idle_minutes,
            Self::Notebook(_) => None,
        }
    }

    /// The condition keys that the credentials of the code inside carry, beside those of every role
    /// session. Those of Studio are for apps alone (SPEC 3.1).
    pub(crate) fn keys(&self) -> BTreeMap<String, String> {
        let Self::App(it) = self else { return BTreeMap::new() };
        let mut keys = BTreeMap::from([("sagemaker:DomainId".to_owned(), it.domain.to_string())]);
        if let Some(profile) = &it.profile {
            keys.insert("sagemaker:UserProfileName".to_owned(), profile.clone());
        }
        keys
    }

    /// Whether SSH sessions may ever lead into it.
    pub(crate) fn has_sessions(&self) -> bool {
        matches!(self, Self::App(it) if it.owner.is_space())
    }

    /// What the user calls the place that it runs in, as the subject of a sentence.
    pub(crate) fn place(&self) -> &'static str {
        match self {
            Self::App(_) => "The space",
            Self::Notebook(_) => "The notebook instance",
        }
    }
}
