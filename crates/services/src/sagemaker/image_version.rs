//! Versions of images: what is kept of one, which one a request means, CreateImageVersion,
//! UpdateImageVersion, DeleteImageVersion. Those that read are in `image_versions`.

use sagegate_api::sagemaker::{
    CreateImageVersionRequest, CreateImageVersionResponse, DeleteImageVersionRequest,
    DeleteImageVersionResponse, ImageStatus, ImageVersionStatus, JobType, Processor, ResourceSpec,
    UpdateImageVersionRequest, UpdateImageVersionResponse, VendorGuidance,
};
use sagegate_gate::env::{Env, Time};
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation, Scope};
use sagegate_store::{Read, Record, StoreError, Table, Tx};
use serde::{Deserialize, Serialize};

use super::faults::{busy, in_use, not_existing, validation};
use super::image::ImageRecord;
use super::named;
use super::resource_work::{self, Kind};
use super::shapes::Word;

/// Versions by `(account, region, image's name in lower case, number)`.
pub const VERSIONS: Table<(String, String, String, u64), ImageVersionRecord> =
    Table::new("sagemaker.image-version");

/// A version of an image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImageVersionRecord {
    /// Its number, from 1.
    pub number: i32,
    /// The container image, as given.
    pub base_image: String,
    /// The client's token of its making.
    pub client_token: String,
    /// Other names of it, which no other version of the image has; sorted.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// When it was made.
    pub created: Time,
    /// When it was last changed.
    pub modified: Time,
    /// The life-cycle's state.
    pub status: Word<ImageVersionStatus>,
    /// What its maintainer says about it.
    #[serde(default)]
    pub about: About,
}

impl Record for ImageVersionRecord {}

/// What the maintainer of a version says about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// How stable it is.
    #[serde(default)]
    pub vendor_guidance: Option<Word<VendorGuidance>>,
    /// The kind of job that it is for.
    #[serde(default)]
    pub job_type: Option<Word<JobType>>,
    /// The machine learning framework.
    #[serde(default)]
    pub ml_framework: Option<String>,
    /// The programming language.
    #[serde(default)]
    pub programming_lang: Option<String>,
    /// CPU or GPU.
    #[serde(default)]
    pub processor: Option<Word<Processor>>,
    /// Whether it has Horovod.
    #[serde(default)]
    pub horovod: Option<bool>,
    /// What is new.
    #[serde(default)]
    pub release_notes: Option<String>,
}

impl About {
    fn over(self, base: &Self) -> Self {
        let base = base.clone();
        Self {
            vendor_guidance: self.vendor_guidance.or(base.vendor_guidance),
            job_type: self.job_type.or(base.job_type),
            ml_framework: self.ml_framework.or(base.ml_framework),
            programming_lang: self.programming_lang.or(base.programming_lang),
            processor: self.processor.or(base.processor),
            horovod: self.horovod.or(base.horovod),
            release_notes: self.release_notes.or(base.release_notes),
        }
    }
}

/// The ARN of a version: names are in lower case there (SageMaker API, `ImageVersionArn`).
pub(super) fn arn(scope: &Scope, image: &str, number: i32) -> String {
    let image = image.to_ascii_lowercase();
    scope.arn("sagemaker", &format!("image-version/{image}/{number}"))
}

/// All versions of an image by number.
pub(super) fn all(
    state: &dyn Read,
    scope: &Scope,
    image: &str,
) -> Result<Vec<ImageVersionRecord>, StoreError> {
    let image = image.to_ascii_lowercase();
    let prefix = (scope.account.as_str(), scope.region.as_str(), image.as_str());
    Ok(VERSIONS.scan(state, &prefix, None, usize::MAX)?.into_iter().map(|(_, it)| it).collect())
}

fn put(
    tx: &mut Tx,
    scope: &Scope,
    image: &str,
    record: &ImageVersionRecord,
) -> Result<(), StoreError> {
    let image = image.to_ascii_lowercase();
    let number = u64::try_from(record.number).unwrap_or(0);
    let key = (scope.account.as_str(), scope.region.as_str(), image.as_str(), number);
    VERSIONS.put(tx, &key, record)
}

fn remove(tx: &mut Tx, scope: &Scope, image: &str, number: i32) {
    let image = image.to_ascii_lowercase();
    let number = u64::try_from(number).unwrap_or(0);
    VERSIONS.delete(tx, &(scope.account.as_str(), scope.region.as_str(), image.as_str(), number));
}

/// Removes the versions of an image that goes.
pub(super) fn remove_all(tx: &mut Tx, scope: &Scope, image: &ImageRecord) -> Result<(), Fault> {
    for version in all(tx, scope, &image.name)? {
        remove(tx, scope, &image.name, version.number);
    }
    Ok(())
}

/// Brings the versions of an image on.
pub(super) fn advance(tx: &mut Tx, env: &Env, scope: &Scope, image: &str) -> Result<(), Fault> {
    for mut version in all(tx, scope, image)? {
        match version.status.0 {
            ImageVersionStatus::Creating => {
                version.status = Word(ImageVersionStatus::Created);
                version.modified = env.now();
                put(tx, scope, image, &version)?;
            }
            ImageVersionStatus::Deleting => remove(tx, scope, image, version.number),
            _ => {}
        }
    }
    Ok(())
}

/// Which version of an image a request means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which<'a> {
    /// The one of this number.
    Number(i32),
    /// The one of this alias.
    Alias(&'a str),
    /// The one made last.
    Latest,
}

impl<'a> Which<'a> {
    /// The one that `Version` and `Alias` of a request name.
    ///
    /// # Errors
    /// `ValidationException` if both are given.
    pub(super) fn of(number: Option<i32>, alias: Option<&'a str>) -> Result<Self, Fault> {
        match (number, alias) {
            (Some(number), None) => Ok(Self::Number(number)),
            (None, Some(alias)) => Ok(Self::Alias(alias)),
            (None, None) => Ok(Self::Latest),
            (Some(_), Some(_)) => {
                Err(validation("Version and Alias cannot be given together; name one of them."))
            }
        }
    }

    /// The one of them that a request which changes something names.
    fn one(number: Option<i32>, alias: Option<&'a str>) -> Result<Self, Fault> {
        match Self::of(number, alias)? {
            Self::Latest => Err(validation("One of Version and Alias must be given.")),
            which => Ok(which),
        }
    }

    fn find(
        self,
        state: &dyn Read,
        scope: &Scope,
        image: &str,
    ) -> Result<Option<ImageVersionRecord>, StoreError> {
        let mut versions = all(state, scope, image)?.into_iter();
        Ok(match self {
            Self::Number(number) => versions.find(|it| it.number == number),
            Self::Alias(alias) => versions.find(|it| it.aliases.iter().any(|it| it == alias)),
            Self::Latest => versions.next_back(),
        })
    }

    /// The version, and its image.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    pub(super) fn require(
        self,
        state: &dyn Read,
        scope: &Scope,
        image: &str,
    ) -> Result<(ImageRecord, ImageVersionRecord), Fault> {
        let record: ImageRecord = named::require(state, scope, image)?;
        let found = self.find(state, scope, image)?;
        let version = found.ok_or_else(|| match self {
            Self::Number(number) => not_existing(&format!("ImageVersion {number}"), "Image", image),
            Self::Alias(alias) => {
                not_existing(&format!("ImageVersion of Alias {alias}"), "Image", image)
            }
            Self::Latest => not_existing("Latest ImageVersion", "Image", image),
        })?;
        Ok((record, version))
    }

    /// A need of an action on the version. Where none is named, or none has the alias, it is about
    /// whatever version the image may have.
    pub(super) fn need(
        self,
        action: &'static str,
        state: &dyn Read,
        scope: &Scope,
        image: &str,
    ) -> Result<Need, Fault> {
        let number = match self {
            Self::Number(number) => Some(number),
            _ => self.find(state, scope, image)?.map(|it| it.number),
        };
        let arn = match number {
            Some(number) => arn(scope, image, number),
            None => {
                let image = image.to_ascii_lowercase();
                scope.arn("sagemaker", &format!("image-version/{image}/*"))
            }
        };
        named::need_on(action, state, scope, arn)
    }
}

/// A version of one of the account's own images, as an app names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenImage {
    /// The ARN by which it was named: the version's, or the image's.
    pub arn: String,
    /// The container image of the version (`BaseImage`); nothing where there is none any more.
    pub base_image: Option<String>,
}

/// The version that an app's specification names, if it is of an image of the account and region. The
/// images that AWS provides are of accounts of AWS's.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) fn chosen(
    state: &dyn Read,
    scope: &Scope,
    spec: &ResourceSpec,
) -> Result<Option<ChosenImage>, Fault> {
    let below = |arn: &str, kind: &str| -> Option<String> {
        arn.strip_prefix(&scope.arn("sagemaker", kind)).map(str::to_owned)
    };
    let found = |arn: &str, base_image| Some(ChosenImage { arn: arn.to_owned(), base_image });
    if let Some(arn) = &spec.sage_maker_image_version_arn {
        let Some(rest) = below(arn, "image-version/") else { return Ok(None) };
        let version = match rest.split_once('/').map(|(name, number)| (name, number.parse())) {
            Some((name, Ok(number))) => Which::Number(number).find(state, scope, name)?,
            _ => None,
        };
        return Ok(found(arn, version.map(|it| it.base_image)));
    }
    let Some(arn) = &spec.sage_maker_image_arn else { return Ok(None) };
    let Some(name) = below(arn, "image/") else { return Ok(None) };
    let which = Which::of(None, spec.sage_maker_image_version_alias.as_deref())?;
    let version = which.find(state, scope, &name)?;
    Ok(found(arn, version.map(|it| it.base_image)))
}

/// Refuses aliases that are given twice or that another version of the image has.
fn check_aliases(
    versions: &[ImageVersionRecord],
    own: Option<i32>,
    aliases: &[String],
) -> Result<(), Fault> {
    for (index, alias) in aliases.iter().enumerate() {
        if aliases.iter().take(index).any(|it| it == alias) {
            return Err(validation(format!("Alias '{alias}' is given more than once.")));
        }
        let holder = versions.iter().find(|it| it.aliases.contains(alias));
        if let Some(holder) = holder.filter(|it| Some(it.number) != own) {
            return Err(in_use(format!(
                "Alias '{alias}' is already in use by version {} of the image.",
                holder.number
            )));
        }
    }
    Ok(())
}

/// Makes a version of an image.
#[derive(Debug)]
pub struct CreateImageVersion;

impl Operation for CreateImageVersion {
    type Input = CreateImageVersionRequest;
    type Output = CreateImageVersionResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "CreateImageVersion";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (action, name) = ("sagemaker:CreateImageVersion", &call.input.image_name);
        Ok(named::need::<ImageRecord>(action, state, call.scope, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let mut image: ImageRecord = named::require(tx, scope, &input.image_name)?;
        let versions = all(tx, scope, &image.name)?;
        let mut aliases = input.aliases.clone().unwrap_or_default();
        aliases.sort();
        let about = About {
            vendor_guidance: input.vendor_guidance.map(Word),
            job_type: input.job_type.map(Word),
            ml_framework: input.ml_framework.clone(),
            programming_lang: input.programming_lang.clone(),
            processor: input.processor.map(Word),
            horovod: input.horovod,
            release_notes: input.release_notes.clone(),
        };
        // A request that is repeated after its answer was lost makes no second version.
        if let Some(made) = versions.iter().find(|it| it.client_token == input.client_token) {
            if made.base_image != input.base_image {
                return Err(in_use(
                    "The ClientToken was used for a version with another BaseImage.",
                ));
            }
            let arn = arn(scope, &image.name, made.number);
            return Ok(CreateImageVersionResponse { image_version_arn: Some(arn) });
        }
        if !matches!(image.status.0, ImageStatus::Created | ImageStatus::UpdateFailed) {
            return Err(validation(format!("Image {} is in an invalid state.", image.name)));
        }
        check_aliases(&versions, None, &aliases)?;
        image.last_version = image.last_version.saturating_add(1);
        let version = ImageVersionRecord {
            number: image.last_version,
            base_image: input.base_image.clone(),
            client_token: input.client_token.clone(),
            aliases,
            created: call.now,
            modified: call.now,
            status: Word(ImageVersionStatus::Creating),
            about,
        };
        named::put(tx, scope, &image)?;
        put(tx, scope, &image.name, &version)?;
        resource_work::note(tx, scope, Kind::ImageVersion, &image.name)?;
        let arn = arn(scope, &image.name, version.number);
        Ok(CreateImageVersionResponse { image_version_arn: Some(arn) })
    }
}

/// Changes what is said about a version, and its aliases.
#[derive(Debug)]
pub struct UpdateImageVersion;

impl Operation for UpdateImageVersion {
    type Input = UpdateImageVersionRequest;
    type Output = UpdateImageVersionResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "UpdateImageVersion";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (input, action) = (call.input, "sagemaker:UpdateImageVersion");
        let which = Which::one(input.version, input.alias.as_deref())?;
        Ok(which.need(action, state, call.scope, &input.image_name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let which = Which::one(input.version, input.alias.as_deref())?;
        let (image, mut version) = which.require(tx, scope, &input.image_name)?;
        let arn = arn(scope, &image.name, version.number);
        if version.status.0 != ImageVersionStatus::Created {
            return Err(busy("update", "ImageVersion", &arn, version.status.0.as_str()));
        }
        let about = About {
            vendor_guidance: input.vendor_guidance.map(Word),
            job_type: input.job_type.map(Word),
            ml_framework: input.ml_framework.clone(),
            programming_lang: input.programming_lang.clone(),
            processor: input.processor.map(Word),
            horovod: input.horovod,
            release_notes: input.release_notes.clone(),
        };
        version.about = about.over(&version.about);
        let added = input.aliases_to_add.as_deref().unwrap_or_default();
        check_aliases(&all(tx, scope, &image.name)?, Some(version.number), added)?;
        let taken = input.aliases_to_delete.as_deref().unwrap_or_default();
        if let Some(alias) = taken.iter().find(|it| added.contains(it)) {
            return Err(validation(format!(
                "Alias '{alias}' is in both AliasesToAdd and AliasesToDelete."
            )));
        }
        version.aliases.retain(|it| !taken.contains(it));
        version.aliases.extend(added.iter().cloned());
        version.aliases.sort();
        version.aliases.dedup();
        version.modified = call.now;
        put(tx, scope, &image.name, &version)?;
        Ok(UpdateImageVersionResponse { image_version_arn: Some(arn) })
    }
}

/// Deletes a version of an image.
#[derive(Debug)]
pub struct DeleteImageVersion;

impl Operation for DeleteImageVersion {
    type Input = DeleteImageVersionRequest;
    type Output = DeleteImageVersionResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "DeleteImageVersion";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (input, action) = (call.input, "sagemaker:DeleteImageVersion");
        let which = Which::one(input.version, input.alias.as_deref())?;
        Ok(which.need(action, state, call.scope, &input.image_name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let which = Which::one(input.version, input.alias.as_deref())?;
        let (image, mut version) = which.require(tx, scope, &input.image_name)?;
        let status = version.status.0;
        if matches!(status, ImageVersionStatus::Creating | ImageVersionStatus::Deleting) {
            let arn = arn(scope, &image.name, version.number);
            return Err(busy("delete", "ImageVersion", &arn, status.as_str()));
        }
        version.status = Word(ImageVersionStatus::Deleting);
        // Whoever asks for it by another name no longer finds it.
        version.aliases.clear();
        version.modified = call.now;
        put(tx, scope, &image.name, &version)?;
        resource_work::note(tx, scope, Kind::ImageVersion, &image.name)?;
        Ok(DeleteImageVersionResponse {})
    }
}

/// Whether an ARN is one of this account and region, and no version of an image has it.
pub(super) fn is_missing(state: &dyn Read, scope: &Scope, text: &str) -> Result<bool, StoreError> {
    let Some(rest) = text.strip_prefix(&scope.arn("sagemaker", "image-version/")) else {
        return Ok(false);
    };
    let named = rest.split_once('/').and_then(|(image, it)| Some((image, it.parse().ok()?)));
    let Some((image, number)) = named else { return Ok(true) };
    Ok(arn(scope, image, number) != text
        || !is_usable(Which::Number(number).find(state, scope, image)?))
}

/// Whether an ARN is that of an image of this account and region of which no version has an alias.
pub(super) fn lacks_alias(
    state: &dyn Read,
    scope: &Scope,
    image_arn: &str,
    alias: &str,
) -> Result<bool, StoreError> {
    let Some(image) = named::of_arn::<ImageRecord>(state, scope, image_arn)? else {
        return Ok(false);
    };
    Ok(!is_usable(Which::Alias(alias).find(state, scope, &image.name)?))
}

fn is_usable(version: Option<ImageVersionRecord>) -> bool {
    version.is_some_and(|it| it.status.0 != ImageVersionStatus::Deleting)
}
