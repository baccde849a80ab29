//! Container engines that an installation uses, or has used.

use std::path::Path;

use anyhow::Context;
use sagegate_workloads::docker::{Docker, Settings};
use sagegate_workloads::images::Images;

use crate::node::{Node, write_private};
use crate::spaces::{ALONE, end_those_of_before};

/// The note of the engine that has containers of this installation.
const NOTE: &str = "engine";

/// What is wanted of an engine.
pub(crate) struct Wanted<'a> {
    /// Its socket, if not at a usual place.
    pub(crate) engine: Option<String>,
    /// The image of a program that names none.
    pub(crate) image: &'a str,
    /// Whether apps are to end when nobody is there any more.
    pub(crate) fleeting: bool,
}

/// Reads the file of images; without one the usual image is in it.
pub(crate) fn images(file: Option<&Path>) -> anyhow::Result<Images> {
    let Some(file) = file else { return Ok(Images::default()) };
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    Images::parse(&text).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))
}

/// Opens the runtime of containers.
pub(crate) async fn open(
    node: &Node,
    directory: &Path,
    wanted: Wanted<'_>,
) -> anyhow::Result<Docker> {
    let settings = Settings {
        directory: directory.to_owned(),
        executable: std::env::current_exe().context("this executable's own path")?,
        instance: node.gate.env().hex(16),
        alone: wanted.fleeting.then_some(ALONE),
        engine: wanted.engine,
        image: wanted.image.to_owned(),
    };
    Ok(Docker::open(settings).await?)
}

/// Notes the engine that has containers of this installation, before it has any.
pub(crate) fn note(directory: &Path, engine: &str) -> anyhow::Result<()> {
    let note = directory.join(NOTE);
    write_private(&note, engine).with_context(|| note.display().to_string())
}

/// Ends what runs in the engine that was used before, where that is not this one: two runtimes must not
/// have the same homes in use.
pub(crate) async fn leave(node: &Node, directory: &Path, now: Option<&str>) -> anyhow::Result<()> {
    let note = directory.join(NOTE);
    let before = match std::fs::read_to_string(&note) {
        Ok(text) => text.trim().to_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| note.display().to_string()),
    };
    if now == Some(before.as_str()) {
        return Ok(());
    }
    let ending = async {
        let wanted = Wanted { engine: Some(before.clone()), image: "", fleeting: false };
        let docker = open(node, directory, wanted).await?;
        end_those_of_before(&docker).await
    };
    ending.await.with_context(|| {
        format!(
            "apps of this installation may still run as containers of the engine at {before}: start it \
             once more, or remove {} if it is gone for good",
            note.display()
        )
    })?;
    std::fs::remove_file(&note).with_context(|| note.display().to_string())
}
