//! Functions about the machine: its system and its processor.

use super::context::failed;
use super::registry::Registry;

pub(super) fn write(registry: &mut Registry) {
    registry.family("This machine", "");
    registry.add("platform_is_osx", &[], "True on macOS.", || cfg!(target_os = "macos"));
    registry.add("platform_is_linux", &[], "True on Linux.", || cfg!(target_os = "linux"));
    registry.add("platform_is_arm", &[], "True on 64-bit ARM.", || cfg!(target_arch = "aarch64"));
    registry.add("platform_is_x86", &[], "True on x86-64.", || cfg!(target_arch = "x86_64"));
    registry.add("platform_check_linux_x86", &[], "Throws anywhere but on Linux on x86-64.", || {
        match cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            true => Ok(()),
            false => Err(failed("platform", &"this is not Linux on x86-64")),
        }
    });
    registry.add("platform_check_macos_arm", &[], "Throws anywhere but on macOS on ARM.", || {
        match cfg!(all(target_os = "macos", target_arch = "aarch64")) {
            true => Ok(()),
            false => Err(failed("platform", &"this is not macOS on ARM")),
        }
    });
}
