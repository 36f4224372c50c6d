//! `netwright generate`.

use netwright_model::generate::{Plan, Shape, generate};
use netwright_model::language::Provider;

use crate::arguments::Generate;
use crate::console::{Code, Console};
use crate::failure::Failure;

pub(super) fn run(arguments: &Generate, console: &mut Console) -> Result<Code, Failure> {
    let words = |all: Vec<String>| Some(format!("one of {}", all.join(", ")));
    let Some(shape) = Shape::of(&arguments.shape) else {
        let known = Shape::ALL.iter().map(ToString::to_string).collect();
        return Err(Failure::usage(
            format!("there is no shape `{}`", arguments.shape),
            words(known),
        ));
    };
    let Some(provider) = Provider::of(&arguments.provider) else {
        let known = Provider::ALL.iter().map(ToString::to_string).collect();
        return Err(Failure::usage(
            format!("there is no provider `{}`", arguments.provider),
            words(known),
        ));
    };
    let plan = Plan { shape, provider, instances: arguments.instances, seed: arguments.seed };
    let header = format!(
        "A synthetic network: netwright generate --shape {shape} --instances {} --seed {} --provider {provider}",
        plan.instances, plan.seed
    );
    console.write(&netwright_model::to_yaml(&generate(&plan), &header));
    Ok(Code::Pass)
}
