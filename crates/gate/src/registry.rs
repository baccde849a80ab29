//! The operations that are served, by service and name.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use sagegate_wire::route;

use crate::gate::{Context, Gate, Refusal};
use crate::operation::{Access, Operation};

/// An answer, or why there is none.
pub(crate) type Answer<'a> =
    Pin<Box<dyn Future<Output = Result<http::Response<Bytes>, Refusal>> + Send + 'a>>;

/// An operation whose types are hidden: from a request's members to an encoded answer.
pub(crate) trait Handler: Send + Sync {
    fn access(&self) -> Access;

    /// Decodes the members, then does the call.
    fn handle<'a>(
        &'a self,
        gate: &'a Gate,
        context: &'a Arc<Context>,
        request: route::Call<'a>,
    ) -> Answer<'a>;
}

struct Typed<O>(PhantomData<fn() -> O>);

impl<O: Operation> Handler for Typed<O> {
    fn access(&self) -> Access {
        O::ACCESS
    }

    fn handle<'a>(
        &'a self,
        gate: &'a Gate,
        context: &'a Arc<Context>,
        request: route::Call<'a>,
    ) -> Answer<'a> {
        Box::pin(async move {
            let mut input = O::Input::default();
            request.decode(&mut input).map_err(Refusal::Unread)?;
            let (service, operation) = (request.service, request.operation);
            drop(request);
            let output = gate.call_arrived::<O>(context, input).await?;
            let id = &context.request_id;
            Ok(sagegate_wire::encode(service.protocol, service, operation, &*output, id))
        })
    }
}

/// The operations that are served. Filled once, when the program starts.
#[derive(Default, Clone)]
pub struct Registry {
    handlers: HashMap<(&'static str, &'static str), Arc<dyn Handler>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.operations()).finish()
    }
}

impl Registry {
    /// Adds an operation.
    pub fn add<O: Operation>(&mut self) -> &mut Self {
        self.handlers.insert((O::SERVICE, O::NAME), Arc::new(Typed::<O>(PhantomData)));
        self
    }

    /// The services and names of the operations, sorted.
    #[must_use]
    pub fn operations(&self) -> Vec<(&'static str, &'static str)> {
        let mut names: Vec<_> = self.handlers.keys().copied().collect();
        names.sort_unstable();
        names
    }

    /// Whether an operation only reads; `None` if it is not served.
    #[must_use]
    pub fn access(&self, service: &'static str, operation: &'static str) -> Option<Access> {
        self.handlers.get(&(service, operation)).map(|it| it.access())
    }

    pub(crate) fn handler(
        &self,
        service: &'static str,
        operation: &'static str,
    ) -> Option<&dyn Handler> {
        self.handlers.get(&(service, operation)).map(AsRef::as_ref)
    }
}
