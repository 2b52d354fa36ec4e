//! Functions and what is written about them, in one place, so that neither is without the other.

use std::any::{Any, TypeId};

use rhai::{Array, Dynamic, FLOAT, INT, ImmutableString, Map, Module, RhaiNativeFunc};

use super::command::Builder;
use super::text::{Replacer, ReplacerBuilder, Template};
use crate::actor::engines::rhai::functions::global;

/// Functions by family.
#[derive(Default)]
pub(super) struct Registry {
    module: Module,
    page: String,
    /// Functions whose description names another number of arguments than they take.
    pub(super) wrong: Vec<String>,
}

impl Registry {
    /// Begins a family of functions.
    pub(super) fn family(&mut self, title: &str, about: &str) {
        self.page.push_str(&format!("\n## {title}\n\n{about}\n\n| function | what it does |\n|---|---|\n"));
    }

    /// Adds a function. `params` are the names of its arguments; the types are those that it really has.
    pub(super) fn add<A, const N: usize, const X: bool, R, const F: bool, FUNC>(
        &mut self,
        name: &str,
        params: &[&str],
        about: &str,
        function: FUNC,
    ) where
        A: 'static,
        R: Any + Clone + Send + Sync,
        FUNC: RhaiNativeFunc<A, N, X, R, F> + Send + Sync + 'static,
    {
        if params.len() != N {
            self.wrong.push(name.to_owned());
        }
        let types = FUNC::param_types();
        let arguments: Vec<String> =
            params.iter().zip(types).map(|(param, kind)| format!("{param}: {}", type_name(kind))).collect();
        let result = match TypeId::of::<R>() {
            unit if unit == TypeId::of::<()>() => String::new(),
            other => format!(" -> {}", type_name(other)),
        };
        self.page.push_str(&format!("| `{name}({}){result}` | {about} |\n", arguments.join(", ")));
        global(name).set_into_module(&mut self.module, function);
    }

    /// The functions.
    pub(super) fn module(mut self) -> Module {
        self.module.set_custom_type::<Builder>("CommandBuilder");
        self.module.set_custom_type::<ReplacerBuilder>("TextReplacerBuilder");
        self.module.set_custom_type::<Replacer>("TextReplacer");
        self.module.set_custom_type::<Template>("TemplateBuilder");
        self.module.build_index();
        self.module
    }

    /// The page about them.
    pub(super) fn reference(&self) -> String {
        format!("{}{}", include_str!("intro.md"), self.page)
    }
}

fn type_name(id: TypeId) -> &'static str {
    let known = [
        (TypeId::of::<ImmutableString>(), "string"),
        (TypeId::of::<String>(), "string"),
        (TypeId::of::<INT>(), "int"),
        (TypeId::of::<FLOAT>(), "float"),
        (TypeId::of::<bool>(), "bool"),
        (TypeId::of::<Array>(), "array"),
        (TypeId::of::<Map>(), "map"),
        (TypeId::of::<Dynamic>(), "any"),
        (TypeId::of::<Builder>(), "CommandBuilder"),
        (TypeId::of::<ReplacerBuilder>(), "TextReplacerBuilder"),
        (TypeId::of::<Replacer>(), "TextReplacer"),
        (TypeId::of::<Template>(), "TemplateBuilder"),
    ];
    known.into_iter().find(|(known, _)| *known == id).map_or("?", |(_, name)| name)
}
