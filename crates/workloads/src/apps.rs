//! Which program an app is, as data: JupyterLab and its kin from a Python environment, Code Editor
//! from code-server.
//!
//! The programs are installed by whoever runs the installation, below one directory, or are in
//! container images ([`crate::images`]). An app whose program is missing fails with the command that
//! installs it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sagegate_api::sagemaker::AppType;
use sagegate_services::sagemaker::workload::ChosenImage;

use crate::images::Images;
use crate::runtime::Program;

/// Below which path JupyterLab and Code Editor serve, as in Studio.
pub const JUPYTER_LAB: &str = "/jupyterlab/default";
/// Below which path JupyterServer and KernelGateway serve, as in Studio Classic.
pub const JUPYTER: &str = "/jupyter/default";

/// The JupyterLab that is known to work.
const JUPYTERLAB_VERSION: &str = "4.6.6";
/// The code-server that is known to work, and the Node.js that it asks for.
const CODE_SERVER_VERSION: &str = "4.99.4";
const NODE_VERSION: &str = "20";

/// The apps that are run.
const RUN: [AppType; 4] =
    [AppType::JupyterLab, AppType::CodeEditor, AppType::JupyterServer, AppType::KernelGateway];

/// The programs of apps.
#[derive(Debug, Clone)]
pub struct Catalog(Place);

/// Where programs are.
#[derive(Debug, Clone)]
enum Place {
    /// Installed on this machine.
    Here(Installed),
    /// In container images.
    Images(Images),
}

impl Catalog {
    /// The programs below a directory: `jupyterlab`, a Python environment, and `code-server`. `path`
    /// lists the directories with the machine's own commands, as the variable PATH does.
    #[must_use]
    pub fn new(directory: PathBuf, path: &str) -> Self {
        // Not canonical: environments name themselves by the path at which they were made.
        let directory = std::path::absolute(&directory).unwrap_or(directory);
        let path = path.split(':').map(PathBuf::from).collect();
        Self(Place::Here(Installed { directory, path }))
    }

    /// The programs in container images.
    #[must_use]
    pub fn of_images(images: Images) -> Self {
        Self(Place::Images(images))
    }

    /// The path below which an app serves, without a slash at its end; the root is empty.
    #[must_use]
    pub fn base(app_type: AppType) -> &'static str {
        match app_type {
            AppType::JupyterLab => JUPYTER_LAB,
            AppType::JupyterServer | AppType::KernelGateway => JUPYTER,
            _ => "",
        }
    }

    /// The program of an app, in the image of the account's own that it names. Only containers run one.
    ///
    /// # Errors
    ///
    /// Why there is none, with what to do about it: the app's `FailureReason`.
    pub fn program(
        &self,
        app_type: AppType,
        image: Option<&ChosenImage>,
    ) -> Result<Program, String> {
        if !RUN.contains(&app_type) {
            return Err(format!(
                "Apps of type {app_type} are recorded but not run by this installation. It runs \
                 JupyterLab, CodeEditor, JupyterServer and KernelGateway."
            ));
        }
        if let (Place::Here(_), Some(image)) = (&self.0, image) {
            return Err(format!(
                "The image {} is a container image, and apps are processes of this machine here. Start \
                 Sagegate with --runtime docker, or create the app without an image of your own.",
                image.arn
            ));
        }
        match (&self.0, app_type) {
            (Place::Images(images), _) => images.program(app_type, image),
            (Place::Here(here), AppType::CodeEditor) => here.code_server(),
            (Place::Here(here), AppType::JupyterLab) => here.jupyter("jupyterlab", JUPYTER_LAB),
            (Place::Here(here), _) => here.jupyter("jupyter_server", JUPYTER),
        }
    }

    /// The program of a notebook instance: a JupyterLab that has its address to itself.
    ///
    /// # Errors
    ///
    /// As [`Catalog::program`].
    pub fn notebook(&self) -> Result<Program, String> {
        match &self.0 {
            Place::Images(images) => Ok(images.notebook()),
            Place::Here(here) => here.jupyter("jupyterlab", ""),
        }
    }
}

/// The words of a Jupyter server behind its Python. Nobody logs in at it: only those reach it whom the
/// door has let in.
pub(crate) fn jupyter_words(module: &str, base: &str) -> Vec<String> {
    let mut words = vec!["-m".to_owned(), module.to_owned()];
    words.extend(
        [
            "--no-browser",
            "--ServerApp.ip=127.0.0.1",
            "--ServerApp.port={port}",
            "--ServerApp.port_retries=0",
            "--IdentityProvider.token=",
            "--PasswordIdentityProvider.allow_password_change=False",
            // The door says which host names are right; that origin and host are the same is still
            // asked of every request that changes something.
            "--ServerApp.allow_remote_access=True",
            "--ServerApp.quit_button=False",
            "--ServerApp.open_browser=False",
        ]
        .map(str::to_owned),
    );
    if module == "jupyterlab" {
        // Nothing outside is reachable to be asked.
        words.push("--LabApp.news_url=None".to_owned());
        words.push("--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate".to_owned());
    }
    words.push(format!("--ServerApp.base_url={base}/"));
    words
}

/// The words of code-server.
pub(crate) const CODE_SERVER: [&str; 4] = [
    "--bind-addr=127.0.0.1:{port}",
    "--auth=none",
    "--disable-telemetry",
    "--disable-update-check",
];

/// Programs that are installed on this machine.
#[derive(Debug, Clone)]
struct Installed {
    directory: PathBuf,
    /// Where commands of the machine are looked for.
    path: Vec<PathBuf>,
}

impl Installed {
    fn jupyter(&self, module: &str, base: &str) -> Result<Program, String> {
        let environment = self.directory.join("jupyterlab");
        let python = environment.join("bin/python");
        let needs = python_needs(&environment, &python).ok_or_else(|| {
            let at = environment.display();
            format!(
                "JupyterLab is not installed on this machine. Install it with: \
                 python3 -m venv {at} && {at}/bin/pip install jupyterlab=={JUPYTERLAB_VERSION}"
            )
        })?;
        let mut command = vec![python.display().to_string()];
        command.extend(jupyter_words(module, base));
        let path = format!("{}/bin:/usr/local/bin:/usr/bin:/bin", environment.display());
        Ok(Program {
            command,
            env: BTreeMap::from([
                ("PATH".to_owned(), path),
                ("VIRTUAL_ENV".to_owned(), environment.display().to_string()),
            ]),
            probe: format!("{base}/api"),
            activity: Some(format!("{base}/api/status")),
            needs,
            image: None,
        })
    }

    /// code-server: a release that was unpacked, or one that npm has installed. Nobody logs in at it.
    fn code_server(&self) -> Result<Program, String> {
        let own = self.directory.join("code-server");
        let in_path = self.path.iter().map(|it| it.join("code-server"));
        let places = [own.join("bin/code-server"), own.join("node_modules/.bin/code-server")];
        let found = places
            .into_iter()
            .chain(in_path)
            .find_map(|it| it.canonicalize().ok().filter(|it| it.is_file()));
        let Some(found) = found else {
            return Err(format!(
                "code-server is not installed on this machine. Install it with Node.js \
                 {NODE_VERSION}, a C++ compiler and the headers of Kerberos (libkrb5-dev): \
                 npm install --unsafe-perm --prefix {at} code-server@{CODE_SERVER_VERSION}; or \
                 unpack a release of it so that {at}/bin/code-server is its command.",
                at = own.display()
            ));
        };
        let (mut command, needs) = if found.ends_with("node_modules/code-server/out/node/entry.js")
        {
            self.of_npm(&found)?
        } else {
            of_release(&found)?
        };
        command.extend(CODE_SERVER.map(str::to_owned));
        Ok(Program {
            command,
            env: BTreeMap::new(),
            probe: "/healthz".to_owned(),
            activity: Some("/healthz".to_owned()),
            needs,
            image: None,
        })
    }

    /// What starts a code-server that npm has installed, and what it needs: Node.js, and all packages
    /// that were installed with it.
    fn of_npm(&self, entry: &Path) -> Result<(Vec<String>, Vec<PathBuf>), String> {
        let node = self.path.iter().map(|it| it.join("node"));
        let mut node = node.filter_map(|it| it.canonicalize().ok()).filter(|it| it.is_file());
        let node = node.next().ok_or_else(|| {
            format!("{} needs Node.js, and PATH has no node in it.", entry.display())
        })?;
        // PACKAGES/code-server/out/node/entry.js
        let packages = entry.ancestors().nth(4).map(Path::to_owned);
        let command = vec![node.display().to_string(), entry.display().to_string()];
        // Of Node.js the program is all: what else is in its directory is nobody's business.
        Ok((command, packages.into_iter().chain([node]).collect()))
    }
}

/// What starts an unpacked release of code-server, and what it needs: bin/code-server and, beside bin,
/// all the rest.
fn of_release(command: &Path) -> Result<(Vec<String>, Vec<PathBuf>), String> {
    let Some(release) = command.parent().and_then(Path::parent) else {
        return Err(format!("{} is no code-server", command.display()));
    };
    if !release.join("out/node/entry.js").is_file() {
        return Err(format!(
            "{} is not the command of an unpacked release of code-server: there is no \
             {}/out/node/entry.js.",
            command.display(),
            release.display()
        ));
    }
    Ok((vec![command.display().to_string()], vec![release.to_owned()]))
}

/// What a Python environment needs to run: itself, and the installation that it was made from, if
/// that is one. Nothing else is shown to a space, whatever links lead there.
fn python_needs(environment: &Path, python: &Path) -> Option<Vec<PathBuf>> {
    if !environment.join("pyvenv.cfg").is_file() || !has_package(environment, "jupyterlab") {
        return None;
    }
    let mut needs = vec![environment.to_owned()];
    let real = python.canonicalize().ok()?;
    let config = std::fs::read_to_string(environment.join("pyvenv.cfg")).ok()?;
    let home = config.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == "home").then(|| PathBuf::from(value.trim()))
    });
    let prefixes = [home.as_deref(), real.parent()].into_iter().flatten().filter_map(Path::parent);
    for prefix in prefixes {
        if is_python(prefix) && !needs.iter().any(|it| it == prefix) {
            needs.push(prefix.to_owned());
        }
    }
    Some(needs)
}

/// The directories of modules below a prefix: `lib/python3.11` and its like.
fn module_directories(prefix: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(prefix.join("lib")) else { return Vec::new() };
    entries
        .flatten()
        .filter(|it| it.file_name().to_string_lossy().starts_with("python"))
        .map(|it| it.path())
        .collect()
}

fn is_python(prefix: &Path) -> bool {
    module_directories(prefix).iter().any(|it| it.join("os.py").is_file())
}

fn has_package(environment: &Path, name: &str) -> bool {
    let packages = |it: &PathBuf| it.join("site-packages").join(name).is_dir();
    module_directories(environment).iter().any(packages)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_missing_is_told_with_the_command() {
        let directory = tempfile::tempdir().unwrap();
        let catalog = Catalog::new(directory.path().to_owned(), "/none");
        let at = directory.path().join("jupyterlab");
        let at = at.display();
        assert_eq!(
            catalog.program(AppType::JupyterLab, None).unwrap_err(),
            format!(
                "JupyterLab is not installed on this machine. Install it with: python3 -m venv {at} \
                 && {at}/bin/pip install jupyterlab==4.6.6"
            )
        );
        let at = directory.path().join("code-server");
        let missing = catalog.program(AppType::CodeEditor, None).unwrap_err();
        let command =
            format!("npm install --unsafe-perm --prefix {} code-server@4.99.4;", at.display());
        assert!(missing.contains(&command), "{missing}");
        let canvas = catalog.program(AppType::Canvas, None).unwrap_err();
        assert!(canvas.starts_with("Apps of type Canvas are recorded but not run"), "{canvas}");
    }

    #[test]
    fn an_image_is_not_passed_over() {
        let image = ChosenImage {
            arn: "arn:aws:sagemaker:us-west-2:123456789012:image/science".to_owned(),
            base_image: Some("science:7".to_owned()),
        };
        let catalog = Catalog::new("/nowhere".into(), "");
        let refused = catalog.program(AppType::JupyterLab, Some(&image)).unwrap_err();
        assert!(
            refused.contains("image/science") && refused.contains("--runtime docker"),
            "{refused}"
        );
    }

    #[test]
    fn an_environment_shows_itself_and_its_python_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let base = root.join("person/python");
        fs::create_dir_all(base.join("bin")).unwrap();
        fs::create_dir_all(base.join("lib/python3.11")).unwrap();
        fs::write(base.join("lib/python3.11/os.py"), "").unwrap();
        fs::write(base.join("bin/python3.11"), "").unwrap();
        let environment = root.join("apps/jupyterlab");
        fs::create_dir_all(environment.join("bin")).unwrap();
        let packages = environment.join("lib/python3.11/site-packages/jupyterlab");
        fs::create_dir_all(&packages).unwrap();
        let link = environment.join("bin/python");
        std::os::unix::fs::symlink(base.join("bin/python3.11"), &link).unwrap();
        let config = format!("home = {}\n", base.join("bin").display());
        fs::write(environment.join("pyvenv.cfg"), config).unwrap();
        let catalog = Catalog::new(root.join("apps"), "/none");
        let program = catalog.program(AppType::JupyterLab, None).unwrap();
        assert_eq!(program.needs, [environment.clone(), base.clone()]);
        assert_eq!(program.probe, "/jupyterlab/default/api");

        // A directory with a link to a python in it is not one of Python's.
        fs::write(environment.join("pyvenv.cfg"), format!("home = {}/bin\n", root.display()))
            .unwrap();
        fs::remove_file(base.join("lib/python3.11/os.py")).unwrap();
        assert_eq!(catalog.program(AppType::JupyterLab, None).unwrap().needs, [environment]);
    }

    #[test]
    fn code_server_is_a_release_or_what_npm_has_installed() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let nodes = root.join("node/bin");
        fs::create_dir_all(&nodes).unwrap();
        let catalog = Catalog::new(root.join("apps"), &nodes.display().to_string());
        let own = root.join("apps/code-server");
        let package = own.join("node_modules/code-server/out/node");
        fs::create_dir_all(&package).unwrap();
        fs::create_dir_all(own.join("node_modules/.bin")).unwrap();
        fs::write(package.join("entry.js"), "").unwrap();
        let link = own.join("node_modules/.bin/code-server");
        std::os::unix::fs::symlink("../code-server/out/node/entry.js", link).unwrap();
        let missing = catalog.program(AppType::CodeEditor, None).unwrap_err();
        assert!(missing.ends_with("needs Node.js, and PATH has no node in it."), "{missing}");
        fs::write(nodes.join("node"), "").unwrap();
        let program = catalog.program(AppType::CodeEditor, None).unwrap();
        assert_eq!(
            program.command[..2],
            [nodes.join("node"), package.join("entry.js")].map(|it| it.display().to_string())
        );
        assert_eq!(program.needs, [own.join("node_modules"), nodes.join("node")]);

        // A release in the same place goes first.
        fs::create_dir_all(own.join("bin")).unwrap();
        fs::create_dir_all(own.join("out/node")).unwrap();
        fs::write(own.join("bin/code-server"), "").unwrap();
        let broken = catalog.program(AppType::CodeEditor, None).unwrap_err();
        assert!(broken.contains("is not the command of an unpacked release"), "{broken}");
        fs::write(own.join("out/node/entry.js"), "").unwrap();
        let program = catalog.program(AppType::CodeEditor, None).unwrap();
        assert_eq!(program.command[0], own.join("bin/code-server").display().to_string());
        assert_eq!(program.needs, [own]);
    }
}
