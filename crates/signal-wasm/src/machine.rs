//! What a module without a standard library needs: memory, and an end.

use core::panic::PanicInfo;

use dlmalloc::GlobalDlmalloc;

#[global_allocator]
static MEMORY: GlobalDlmalloc = GlobalDlmalloc;

/// Ends the instance. Nobody could read a message: the module imports nothing that could show one,
/// and its texts would be a fifth of its size.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
