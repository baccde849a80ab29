//! SageMaker images: CreateImage, DescribeImage, UpdateImage, ListImages, DeleteImage.

use sagegate_api::sagemaker::{
    CreateImageRequest, CreateImageResponse, DeleteImageRequest, DeleteImageResponse,
    DescribeImageRequest, DescribeImageResponse, Image, ImageSortBy, ImageSortOrder, ImageStatus,
    ListImagesRequest, ListImagesResponse, UpdateImageRequest, UpdateImageResponse,
};
use sagegate_gate::env::{Env, Time};
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation, Scope};
use sagegate_store::{Read, Record, StoreError, Table, Tx};
use serde::{Deserialize, Serialize};

use super::faults::{busy, validation};
use super::image_version;
use super::listing::{Bounds, Page, contains};
use super::named::{self, Named, Names};
use super::neighbours;
use super::records;
use super::resource_work::{self, Kind};
use super::shapes::Word;
use super::tagging;

/// Images by `(account, region, name in lower case)`.
pub const IMAGES: Table<(String, String, String), ImageRecord> = Table::new("sagemaker.image");

/// An image: a set of versions under a name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImageRecord {
    /// The name as spelled at its making.
    pub name: String,
    /// What it is.
    #[serde(default)]
    pub description: Option<String>,
    /// The name for people.
    #[serde(default)]
    pub display_name: Option<String>,
    /// The role by which SageMaker fetches container images.
    pub role: String,
    /// When it was made.
    pub created: Time,
    /// When it was last changed.
    pub modified: Time,
    /// The life-cycle's state.
    pub status: Word<ImageStatus>,
    /// Why it failed.
    #[serde(default)]
    pub failure_reason: Option<String>,
    /// The number of the version made last; numbers are never given again.
    pub last_version: i32,
}

impl Record for ImageRecord {}

impl Named for ImageRecord {
    const TABLE: Names<Self> = IMAGES;
    const KIND: &'static str = "Image";
    const PATH: &'static str = "image";
    const LOWER: bool = true;

    fn name(&self) -> &str {
        &self.name
    }
}

/// Whether an ARN is one of this account and region, and no image has it. ARNs of images are in lower
/// case, and only the very spelling counts, since condition keys have seen it.
pub(super) fn is_missing(state: &dyn Read, scope: &Scope, arn: &str) -> Result<bool, StoreError> {
    if !arn.starts_with(&scope.arn("sagemaker", "image/")) {
        return Ok(false);
    }
    let found = named::of_arn::<ImageRecord>(state, scope, arn)?;
    Ok(found.is_none_or(|it| it.status.0 == ImageStatus::Deleting))
}

/// Brings an image on: made or changed once its role is seen to let SageMaker in, removed with all
/// its versions.
pub(super) fn advance(tx: &mut Tx, env: &Env, scope: &Scope, name: &str) -> Result<(), Fault> {
    let Some(mut image) = named::find::<ImageRecord>(tx, scope, name)? else { return Ok(()) };
    let failed = match image.status.0 {
        ImageStatus::Creating => ImageStatus::CreateFailed,
        ImageStatus::Updating => ImageStatus::UpdateFailed,
        ImageStatus::Deleting => {
            image_version::remove_all(tx, scope, &image)?;
            return Ok(named::delete(tx, scope, &image)?);
        }
        _ => return Ok(()),
    };
    // The role may have changed between the call and this moment.
    match neighbours::check_assumable(tx, scope, &image.role, &image.arn(scope), env.now()) {
        Ok(()) => {
            image.status = Word(ImageStatus::Created);
            image.failure_reason = None;
        }
        Err(fault) if fault.sender => {
            image.status = Word(failed);
            image.failure_reason = Some(fault.message);
        }
        Err(fault) => return Err(fault),
    }
    image.modified = env.now();
    Ok(named::put(tx, scope, &image)?)
}

/// Makes an image without versions.
#[derive(Debug)]
pub struct CreateImage;

impl Operation for CreateImage {
    type Input = CreateImageRequest;
    type Output = CreateImageResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "CreateImage";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let (input, tags) = (call.input, call.input.tags.as_deref());
        let arn = named::arn::<ImageRecord>(call.scope, &input.image_name);
        let need =
            Need::on("sagemaker:CreateImage", arn.clone()).request_tags(tagging::pairs(tags));
        let needs = Needs::from(need).and(neighbours::pass_role(&input.role_arn));
        Ok(tagging::and_add_tags(needs, Self::NAME, &arn, tags))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let tags = tagging::checked(input.tags.as_deref())?;
        named::check_free::<ImageRecord>(tx, scope, &input.image_name)?;
        let record = ImageRecord {
            name: input.image_name.clone(),
            description: input.description.clone(),
            display_name: input.display_name.clone(),
            role: input.role_arn.clone(),
            created: call.now,
            modified: call.now,
            status: Word(ImageStatus::Creating),
            failure_reason: None,
            last_version: 0,
        };
        let arn = record.arn(scope);
        neighbours::check_assumable(tx, scope, &record.role, &arn, call.now)?;
        named::put(tx, scope, &record)?;
        records::put_tags(tx, scope, &arn, tags)?;
        resource_work::note(tx, scope, Kind::Image, &record.name)?;
        Ok(CreateImageResponse { image_arn: Some(arn) })
    }
}

/// Tells about an image.
#[derive(Debug)]
pub struct DescribeImage;

impl Operation for DescribeImage {
    type Input = DescribeImageRequest;
    type Output = DescribeImageResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "DescribeImage";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.image_name;
        Ok(named::need::<ImageRecord>("sagemaker:DescribeImage", state, call.scope, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let image: ImageRecord = named::require(tx, call.scope, &call.input.image_name)?;
        Ok(DescribeImageResponse {
            creation_time: Some(image.created.into()),
            image_arn: Some(image.arn(call.scope)),
            // "If not provided, ImageName is displayed." (SageMaker API, CreateImage)
            display_name: Some(image.display_name.unwrap_or_else(|| image.name.clone())),
            description: image.description,
            failure_reason: image.failure_reason,
            image_name: Some(image.name),
            image_status: Some(image.status.0),
            last_modified_time: Some(image.modified.into()),
            role_arn: Some(image.role),
        })
    }
}

/// Changes an image.
#[derive(Debug)]
pub struct UpdateImage;

impl Operation for UpdateImage {
    type Input = UpdateImageRequest;
    type Output = UpdateImageResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "UpdateImage";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let input = call.input;
        let action = "sagemaker:UpdateImage";
        let need = named::need::<ImageRecord>(action, state, call.scope, &input.image_name)?;
        let passed = input.role_arn.as_deref().map(neighbours::pass_role);
        Ok(Needs(std::iter::once(need).chain(passed).collect()))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let mut image: ImageRecord = named::require(tx, scope, &input.image_name)?;
        let arn = image.arn(scope);
        if !matches!(image.status.0, ImageStatus::Created | ImageStatus::UpdateFailed) {
            return Err(busy("update", "Image", &arn, image.status.0.as_str()));
        }
        for property in input.delete_properties.iter().flatten() {
            let (has, given) = match property.as_str() {
                "Description" => (&mut image.description, input.description.is_some()),
                _ => (&mut image.display_name, input.display_name.is_some()),
            };
            if given {
                return Err(validation(format!(
                    "{property} cannot be given together with its name in DeleteProperties."
                )));
            }
            *has = None;
        }
        if let Some(description) = &input.description {
            image.description = Some(description.clone());
        }
        if let Some(name) = &input.display_name {
            image.display_name = Some(name.clone());
        }
        if let Some(role) = &input.role_arn {
            neighbours::check_assumable(tx, scope, role, &arn, call.now)?;
            image.role.clone_from(role);
        }
        image.status = Word(ImageStatus::Updating);
        image.failure_reason = None;
        image.modified = call.now;
        named::put(tx, scope, &image)?;
        resource_work::note(tx, scope, Kind::Image, &image.name)?;
        Ok(UpdateImageResponse { image_arn: Some(arn) })
    }
}

/// Lists images.
#[derive(Debug)]
pub struct ListImages;

impl Operation for ListImages {
    type Input = ListImagesRequest;
    type Output = ListImagesResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "ListImages";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(named::need_list::<ImageRecord>("sagemaker:ListImages", call.scope).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let created = Bounds::inclusive(input.creation_time_after, input.creation_time_before);
        let modified =
            Bounds::inclusive(input.last_modified_time_after, input.last_modified_time_before);
        let found = named::all::<ImageRecord>(tx, scope)?.into_iter().filter(|it| {
            contains(&it.name, input.name_contains.as_deref())
                && created.hold(it.created)
                && modified.hold(it.modified)
        });
        let by = input.sort_by.unwrap_or(ImageSortBy::CreationTime);
        let page = Page {
            descending: input.sort_order != Some(ImageSortOrder::Ascending),
            token: input.next_token.as_deref(),
            limit: input.max_results,
        };
        let (found, next_token) = page.of(found, |it| {
            let time = match by {
                ImageSortBy::CreationTime => it.created.millis(),
                ImageSortBy::LastModifiedTime => it.modified.millis(),
                ImageSortBy::ImageName => 0,
            };
            (time, it.name.to_ascii_lowercase())
        })?;
        let images = found.into_iter().map(|it| Image {
            creation_time: Some(it.created.into()),
            image_arn: Some(it.arn(scope)),
            display_name: Some(it.display_name.unwrap_or_else(|| it.name.clone())),
            description: it.description,
            failure_reason: it.failure_reason,
            image_name: Some(it.name),
            image_status: Some(it.status.0),
            last_modified_time: Some(it.modified.into()),
        });
        Ok(ListImagesResponse { images: Some(images.collect()), next_token })
    }
}

/// Deletes an image with all its versions.
#[derive(Debug)]
pub struct DeleteImage;

impl Operation for DeleteImage {
    type Input = DeleteImageRequest;
    type Output = DeleteImageResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "DeleteImage";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.image_name;
        Ok(named::need::<ImageRecord>("sagemaker:DeleteImage", state, call.scope, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let scope = call.scope;
        let mut image: ImageRecord = named::require(tx, scope, &call.input.image_name)?;
        let status = image.status.0;
        if matches!(status, ImageStatus::Creating | ImageStatus::Updating | ImageStatus::Deleting) {
            return Err(busy("delete", "Image", &image.arn(scope), status.as_str()));
        }
        image.status = Word(ImageStatus::Deleting);
        image.modified = call.now;
        named::put(tx, scope, &image)?;
        resource_work::note(tx, scope, Kind::Image, &image.name)?;
        Ok(DeleteImageResponse {})
    }
}
