//! Which container image an app is in, and which program of it: what the installation's file of images
//! says, over what is usual.
//!
//! ```toml
//! image = "sagegate-space"           # of every app that has none of its own
//!
//! [apps.CodeEditor]                  # also JupyterLab, JupyterServer, KernelGateway, NotebookInstance
//! image = "my-code:2"
//!
//! # A SageMaker image of the account, by the BaseImage of its version.
//! [images."123456789012.dkr.ecr.us-west-2.amazonaws.com/science:7"]
//! image = "science:7"
//! command = ["/opt/conda/bin/jupyter", "lab", "--ServerApp.port={port}", "…"]
//! ```

use std::collections::BTreeMap;

use sagegate_api::sagemaker::AppType;
use sagegate_services::sagemaker::workload::ChosenImage;
use serde::Deserialize;

use crate::apps::{CODE_SERVER, Catalog, jupyter_words};
use crate::runtime::Program;

/// The image of every app where the file says nothing else.
pub const DEFAULT: &str = "sagegate-space";

/// The name of notebook instances among the kinds of app.
const NOTEBOOK: &str = "NotebookInstance";
/// What may have an image of its own.
const KINDS: [&str; 5] = ["CodeEditor", "JupyterLab", "JupyterServer", "KernelGateway", NOTEBOOK];

/// The images of an installation.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Images {
    image: Option<String>,
    #[serde(default)]
    apps: BTreeMap<String, Entry>,
    #[serde(default)]
    images: BTreeMap<String, Entry>,
}

/// What differs from the usual.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    image: Option<String>,
    command: Option<Vec<String>>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    probe: Option<String>,
    activity: Option<String>,
}

impl Images {
    /// Reads a file of images.
    ///
    /// # Errors
    ///
    /// What in it is not understood, and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let images: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        if let Some(kind) = images.apps.keys().find(|it| !KINDS.contains(&it.as_str())) {
            return Err(format!(
                "[apps.{kind}]: not one of the kinds of app that are run: {}",
                KINDS.join(", ")
            ));
        }
        let entries = images.apps.iter().chain(&images.images);
        for (name, entry) in entries {
            if entry.command.as_ref().is_some_and(Vec::is_empty) {
                return Err(format!("{name}: a command has at least its program"));
            }
            let paths = [("probe", &entry.probe), ("activity", &entry.activity)];
            for (what, path) in paths {
                if path.as_ref().is_some_and(|it| !it.starts_with('/')) {
                    return Err(format!("{name}: {what} is a path, which begins with /"));
                }
            }
        }
        Ok(images)
    }

    /// The image of an app that has none of its own.
    #[must_use]
    pub fn default_image(&self) -> &str {
        self.image.as_deref().unwrap_or(DEFAULT)
    }

    /// The program of an app, in the image that it names.
    ///
    /// # Errors
    ///
    /// That the version of the image is gone.
    pub(crate) fn program(
        &self,
        app_type: AppType,
        chosen: Option<&ChosenImage>,
    ) -> Result<Program, String> {
        let base = Catalog::base(app_type);
        let usual = match app_type {
            AppType::CodeEditor => code_server(),
            AppType::JupyterLab => jupyter("jupyterlab", base),
            _ => jupyter("jupyter_server", base),
        };
        let mut program = self.overlaid(usual, app_type.as_str());
        let Some(chosen) = chosen else { return Ok(program) };
        let Some(base_image) = &chosen.base_image else {
            return Err(format!(
                "The image {} of this app has no such version any more. Create the app anew with another \
                 one.",
                chosen.arn
            ));
        };
        program.image = Some(base_image.clone());
        if let Some(entry) = self.images.get(base_image) {
            entry.lay_over(&mut program);
        }
        Ok(program)
    }

    /// The program of a notebook instance.
    pub(crate) fn notebook(&self) -> Program {
        self.overlaid(jupyter("jupyterlab", ""), NOTEBOOK)
    }

    fn overlaid(&self, mut program: Program, kind: &str) -> Program {
        program.image = Some(self.default_image().to_owned());
        if let Some(entry) = self.apps.get(kind) {
            entry.lay_over(&mut program);
        }
        program
    }
}

impl Entry {
    fn lay_over(&self, program: &mut Program) {
        if let Some(image) = &self.image {
            program.image = Some(image.clone());
        }
        if let Some(command) = &self.command {
            program.command.clone_from(command);
        }
        program.env.extend(self.env.clone());
        if let Some(probe) = &self.probe {
            program.probe.clone_from(probe);
        }
        if self.activity.is_some() {
            program.activity.clone_from(&self.activity);
        }
    }
}

/// A Jupyter server by the first Python that the image's PATH has.
fn jupyter(module: &str, base: &str) -> Program {
    let mut command = vec!["python3".to_owned()];
    command.extend(jupyter_words(module, base));
    Program {
        command,
        env: BTreeMap::new(),
        probe: format!("{base}/api"),
        activity: Some(format!("{base}/api/status")),
        needs: Vec::new(),
        image: None,
    }
}

fn code_server() -> Program {
    let mut command = vec!["code-server".to_owned()];
    command.extend(CODE_SERVER.map(str::to_owned));
    Program {
        command,
        env: BTreeMap::new(),
        probe: "/healthz".to_owned(),
        activity: Some("/healthz".to_owned()),
        needs: Vec::new(),
        image: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        image = "lab:1"
        [apps.CodeEditor]
        image = "code:2"
        probe = "/up"
        [images."registry.example.com/science:7"]
        image = "science:7"
        command = ["/opt/lab", "{port}"]
        env = { MODE = "science" }
    "#;

    fn chosen(base_image: Option<&str>) -> ChosenImage {
        let arn = "arn:aws:sagemaker:us-west-2:123456789012:image/science".to_owned();
        ChosenImage { arn, base_image: base_image.map(str::to_owned) }
    }

    #[test]
    fn without_a_file_every_app_is_in_one_image() {
        let images = Images::default();
        let lab = images.program(AppType::JupyterLab, None).unwrap();
        assert_eq!(lab.image.as_deref(), Some(DEFAULT));
        assert_eq!(lab.command.first().unwrap(), "python3");
        assert_eq!(lab.probe, "/jupyterlab/default/api");
        assert_eq!(images.notebook().probe, "/api");
    }

    #[test]
    fn the_file_says_what_differs() {
        let images = Images::parse(FILE).unwrap();
        let lab = images.program(AppType::JupyterLab, None).unwrap();
        assert_eq!(lab.image.as_deref(), Some("lab:1"));
        let code = images.program(AppType::CodeEditor, None).unwrap();
        assert_eq!((code.image.as_deref(), code.probe.as_str()), (Some("code:2"), "/up"));
        assert_eq!(code.command.first().unwrap(), "code-server");
        let of = |it| images.program(AppType::JupyterLab, Some(&chosen(it)));
        let science = of(Some("registry.example.com/science:7")).unwrap();
        assert_eq!(science.image.as_deref(), Some("science:7"));
        assert_eq!(science.command, ["/opt/lab", "{port}"]);
        assert_eq!(science.env["MODE"], "science");
        // One that the file does not know is called what its version says.
        let other = of(Some("other:1")).unwrap();
        assert_eq!(other.image.as_deref(), Some("other:1"));
        assert!(of(None).unwrap_err().contains("image/science of this app has no such version"));
    }

    #[test]
    fn what_is_not_understood_is_told() {
        for (text, word) in [
            ("imgae = 'x'", "imgae"),
            ("[apps.Canvas]", "Canvas"),
            ("[apps.JupyterLab]\ncommand = []", "command"),
            ("[apps.JupyterLab]\nprobe = 'api'", "probe"),
            ("[apps.JupyterLab]\nneeds = ['/']", "needs"),
        ] {
            let error = Images::parse(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
