//! Reading versions of images: DescribeImageVersion, ListImageVersions, ListAliases.

use sagegate_api::sagemaker::{
    DescribeImageVersionRequest, DescribeImageVersionResponse, ImageVersion, ImageVersionSortBy,
    ImageVersionSortOrder, ListAliasesRequest, ListAliasesResponse, ListImageVersionsRequest,
    ListImageVersionsResponse,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation};
use sagegate_store::{Read, Tx};

use super::image::ImageRecord;
use super::image_version::{Which, all, arn};
use super::listing::{Bounds, Page};
use super::named::{self, Named};

/// Tells about a version of an image.
#[derive(Debug)]
pub struct DescribeImageVersion;

impl Operation for DescribeImageVersion {
    type Input = DescribeImageVersionRequest;
    type Output = DescribeImageVersionResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "DescribeImageVersion";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (input, action) = (call.input, "sagemaker:DescribeImageVersion");
        let which = Which::of(input.version, input.alias.as_deref())?;
        Ok(which.need(action, state, call.scope, &input.image_name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let which = Which::of(input.version, input.alias.as_deref())?;
        let (image, version) = which.require(tx, scope, &input.image_name)?;
        let about = version.about;
        Ok(DescribeImageVersionResponse {
            // There is no registry here that a copy could be made in: the image is used as given.
            container_image: Some(version.base_image.clone()),
            base_image: Some(version.base_image),
            creation_time: Some(version.created.into()),
            failure_reason: None,
            image_arn: Some(image.arn(scope)),
            image_version_arn: Some(arn(scope, &image.name, version.number)),
            image_version_status: Some(version.status.0),
            last_modified_time: Some(version.modified.into()),
            version: Some(version.number),
            vendor_guidance: about.vendor_guidance.map(|it| it.0),
            job_type: about.job_type.map(|it| it.0),
            ml_framework: about.ml_framework,
            programming_lang: about.programming_lang,
            processor: about.processor.map(|it| it.0),
            horovod: about.horovod,
            release_notes: about.release_notes,
        })
    }
}

/// Lists the versions of an image.
#[derive(Debug)]
pub struct ListImageVersions;

impl Operation for ListImageVersions {
    type Input = ListImageVersionsRequest;
    type Output = ListImageVersionsResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "ListImageVersions";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (action, name) = ("sagemaker:ListImageVersions", &call.input.image_name);
        Ok(named::need::<ImageRecord>(action, state, call.scope, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let image: ImageRecord = named::require(tx, scope, &input.image_name)?;
        let created = Bounds::inclusive(input.creation_time_after, input.creation_time_before);
        let modified =
            Bounds::inclusive(input.last_modified_time_after, input.last_modified_time_before);
        let found = all(tx, scope, &image.name)?
            .into_iter()
            .filter(|it| created.hold(it.created) && modified.hold(it.modified));
        let by = input.sort_by.unwrap_or(ImageVersionSortBy::CreationTime);
        let page = Page {
            descending: input.sort_order != Some(ImageVersionSortOrder::Ascending),
            token: input.next_token.as_deref(),
            limit: input.max_results,
        };
        let (found, next_token) = page.of(found, |it| {
            let time = match by {
                ImageVersionSortBy::CreationTime => it.created.millis(),
                ImageVersionSortBy::LastModifiedTime => it.modified.millis(),
                ImageVersionSortBy::Version => 0,
            };
            (time, it.number)
        })?;
        let versions = found.into_iter().map(|it| ImageVersion {
            creation_time: Some(it.created.into()),
            failure_reason: None,
            image_arn: Some(image.arn(scope)),
            image_version_arn: Some(arn(scope, &image.name, it.number)),
            image_version_status: Some(it.status.0),
            last_modified_time: Some(it.modified.into()),
            version: Some(it.number),
        });
        Ok(ListImageVersionsResponse { image_versions: Some(versions.collect()), next_token })
    }
}

/// Lists the aliases of an image's versions, or of one of them.
#[derive(Debug)]
pub struct ListAliases;

impl Operation for ListAliases {
    type Input = ListAliasesRequest;
    type Output = ListAliasesResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "ListAliases";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        // The Service Authorization Reference asks for both kinds of resource.
        let (input, scope, action) = (call.input, call.scope, "sagemaker:ListAliases");
        let of_image = named::need::<ImageRecord>(action, state, scope, &input.image_name)?;
        let of_version = match Which::of(input.version, input.alias.as_deref())? {
            Which::Latest => {
                let image = input.image_name.to_ascii_lowercase();
                let every = scope.arn("sagemaker", &format!("image-version/{image}/*"));
                named::need_on(action, state, scope, every)?
            }
            which => which.need(action, state, scope, &input.image_name)?,
        };
        Ok(Needs::from(of_image).and(of_version))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let aliases: Vec<String> = match Which::of(input.version, input.alias.as_deref())? {
            Which::Latest => {
                let image: ImageRecord = named::require(tx, scope, &input.image_name)?;
                all(tx, scope, &image.name)?.into_iter().flat_map(|it| it.aliases).collect()
            }
            which => which.require(tx, scope, &input.image_name)?.1.aliases,
        };
        let page = Page {
            descending: false,
            token: input.next_token.as_deref(),
            limit: input.max_results,
        };
        let (aliases, next_token) = page.of(aliases, Clone::clone)?;
        Ok(ListAliasesResponse { sage_maker_image_version_aliases: Some(aliases), next_token })
    }
}
