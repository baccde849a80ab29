use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

/// The botocore release that the models are read from.
const VERSION: &str = "1.44.5";
/// The hash of its wheel on PyPI.
const SHA256: &str = "8f16a56d1dff125dd65322ae021efa7ba5195a6db5102b96862566055b748921";

/// The newest API version of each service in that release.
const MODELS: [(&str, &str); 5] = [
    ("ec2", "2016-11-15"),
    ("iam", "2010-05-08"),
    ("route53", "2013-04-01"),
    ("sagemaker", "2017-07-24"),
    ("sts", "2011-06-15"),
];

/// Reads one gzip-compressed member of a zip file; Python is here anyway, for pip.
const EXTRACT: &str = "import gzip, sys, zipfile\n\
    sys.stdout.buffer.write(gzip.decompress(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2])))";

/// The pinned wheel, its hash checked.
pub(super) struct Wheel {
    path: PathBuf,
}

impl Wheel {
    /// `given`, or else a download kept under `target/`.
    pub(super) fn open(given: Option<&Path>) -> Result<Self> {
        let path = match given {
            Some(path) => path.to_owned(),
            None => download()?,
        };
        let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
        let found = hex::encode(Sha256::digest(&bytes));
        ensure!(found == SHA256, "{} has sha256 {found}, not the pinned {SHA256}", path.display());
        Ok(Self { path })
    }

    /// The model of a service, as JSON text.
    pub(super) fn service(&self, name: &str) -> Result<String> {
        let (_, version) = MODELS
            .iter()
            .find(|(service, _)| *service == name)
            .with_context(|| format!("no API version pinned for {name}"))?;
        let output = Command::new("python3")
            .args(["-c", EXTRACT])
            .arg(&self.path)
            .arg(format!("botocore/data/{name}/{version}/service-2.json.gz"))
            .output()
            .context("starting python3")?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "reading {name} from the wheel: {complaint}");
        Ok(String::from_utf8(output.stdout)?)
    }
}

fn download() -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    let directory = target.join("botocore");
    let file = directory.join(format!("botocore-{VERSION}-py3-none-any.whl"));
    if !file.exists() {
        let status = Command::new("python3")
            .args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"])
            .arg("--dest")
            .arg(&directory)
            .arg(format!("botocore=={VERSION}"))
            .status()
            .context("starting pip")?;
        ensure!(status.success(), "pip could not download botocore {VERSION}");
    }
    Ok(file)
}
