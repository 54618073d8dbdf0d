//! The tools with a real Vault: after each call the test reads the state from Vault itself.
//!
//! It has its own `main` so that all tests share one Vault, which is stopped at the end.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../calls/client.rs"]
mod client;
mod crowds;
mod gates;
#[path = "../callers/server.rs"]
mod http_server;
mod lists;
mod metadata;
mod mounts;
mod pki_certificates;
mod pki_issuers;
mod pki_mounts;
mod pki_roles;
#[path = "../shared/program.rs"]
mod program;
mod replaced;
mod server;
#[cfg(unix)]
mod server_token;
#[cfg(unix)]
mod session;
mod traces;
mod versions;
mod world;
mod writes;
mod x509;

use std::{process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;

use world::World;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let runtime = Arc::new(Runtime::new().unwrap());
    let world = if arguments.list {
        None
    } else {
        Some(Arc::new(runtime.block_on(World::start())))
    };
    let mut trials = Vec::new();
    macro_rules! tests {
        ($($module:ident: $($test:ident),* $(,)?;)*) => {$($({
            let (runtime, world) = (Arc::clone(&runtime), world.clone());
            trials.push(Trial::test(concat!(stringify!($module), "::", stringify!($test)), move || {
                let world = world.ok_or("there is no Vault")?;
                runtime.block_on($module::$test(&world));
                Ok(())
            }));
        })*)*};
    }
    tests! {
        crowds:
            many_writers_through_two_servers_lose_nothing,
            many_writers_that_may_not_read_lose_nothing,
            two_hundred_calls_at_once_are_all_answered_over_stdio,
            two_hundred_calls_at_once_are_all_answered_over_http,
            progress_is_told_over_http;
        gates:
            nothing_changes_in_vault_where_the_server_is_read_only,
            each_request_has_the_rights_of_its_own_token;
        lists:
            a_tree_of_200_folders_is_listed_whole,
            names_are_relative_to_the_folder_that_was_listed,
            a_folder_that_may_not_be_listed_is_named,
            a_tree_of_which_nothing_may_be_seen_is_a_denial,
            progress_is_told_to_those_who_ask;
        metadata:
            key_names_and_versions_are_told_and_no_value,
            data_rights_alone_tell_key_names,
            metadata_rights_alone_tell_versions,
            no_rights_are_a_denial,
            a_deleted_and_a_destroyed_version_still_have_metadata,
            a_version_that_is_deleted_later_is_not_deleted_yet,
            metadata_without_a_version_is_told,
            kv_v1_has_key_names_alone,
            what_is_not_there_is_not_found;
        mounts:
            a_mount_is_created_in_either_version_at_nested_paths,
            settings_are_made_or_there_is_no_mount,
            a_path_in_use_or_reserved_is_refused_in_vaults_words,
            tuning_is_not_creating,
            a_mount_is_deleted_alone,
            an_absent_mount_is_told,
            a_token_that_sees_no_mounts_can_create_and_delete_one,
            mounts_are_listed_as_far_as_the_token_may_see,
            kv_tools_refuse_other_engines_by_their_type;
        pki_certificates:
            a_certificate_is_issued_with_all_that_was_asked_for,
            an_intermediate_issues_with_the_chain_to_the_root,
            a_lifetime_that_vault_shortens_is_told,
            a_refusal_names_the_argument_and_says_what_helps,
            names_that_sound_like_arguments_mislead_nobody,
            a_refused_certificate_is_put_right_with_the_tools_alone,
            a_request_is_signed_where_issuing_is_denied,
            what_the_role_takes_from_the_request_is_told,
            a_request_that_is_broken_or_weak_is_refused_by_name,
            a_certificate_is_revoked_and_read_back,
            serial_numbers_of_nothing_are_told,
            a_private_key_is_in_its_answer_alone;
        pki_issuers:
            a_root_is_made_and_read_back,
            a_root_that_vault_cuts_short_is_told,
            an_intermediate_is_signed_by_the_issuer_that_is_named,
            an_intermediate_that_is_not_finished_leaves_nothing_behind,
            what_could_not_be_removed_again_is_told,
            names_that_are_taken_reserved_or_malformed_are_refused,
            arguments_have_to_fit_the_kind,
            a_bundle_is_imported_with_its_key,
            certificates_alone_need_less_of_a_policy_than_keys,
            a_bundle_that_is_damaged_changes_nothing,
            an_absent_issuer_is_told_from_a_denied_one;
        pki_mounts:
            a_pki_mount_is_made_with_its_longest_lifetime,
            a_path_in_use_stays_as_it_is,
            a_token_that_may_not_look_is_told_what_was_asked_for,
            the_policy_of_the_tutorial_allows_what_it_grants,
            an_empty_mount_lists_as_empty,
            public_lists_need_no_right,
            pki_tools_refuse_other_engines_and_change_nothing,
            a_mount_that_was_replaced_is_never_written;
        pki_roles:
            a_role_is_made_with_its_name_alone,
            a_role_is_read_back_as_it_was_made,
            a_role_is_replaced_wholly,
            settings_that_are_lost_with_the_old_role_are_told,
            a_role_that_cannot_be_is_refused_by_name,
            an_absent_role_is_told,
            a_token_that_may_write_but_not_read_a_role_is_told_what_is_not_known;
        replaced:
            a_mount_that_became_v1_is_never_written_in_the_shape_of_v2,
            a_mount_that_became_v2_is_never_written_in_the_shape_of_v1,
            a_v1_secret_that_looks_like_an_answer_of_v2_is_not_taken_for_one;
        traces:
            each_call_is_found_in_the_audit_log_denials_too;
        versions:
            undelete_restores_the_versions_that_were_named,
            destroy_destroys_the_versions_that_were_named,
            versions_that_do_not_exist_are_an_error_and_nothing_is_done,
            a_destroyed_version_is_not_undeleted,
            a_token_without_metadata_can_undelete_and_is_told_what_was_not_checked,
            purge_removes_all_versions,
            purge_deletes_in_kv_v1,
            kv_v1_has_no_versions_to_deal_with,
            an_absent_secret_is_not_found;
        writes:
            put_replaces_the_secret_as_a_whole_and_keeps_json,
            a_number_that_vault_would_round_is_refused,
            put_checks_the_version_that_it_is_given,
            put_and_write_work_where_check_and_set_is_required,
            a_token_that_may_write_but_not_read_can_put,
            a_key_is_merged_where_the_secret_may_not_be_read,
            a_key_is_denied_where_neither_read_nor_patch_is_granted,
            a_new_secret_is_created_only_with_the_right_to_create,
            large_values_and_many_keys_arrive_intact,
            a_key_is_deleted_and_the_others_are_kept,
            deleting_what_is_not_there_makes_no_version,
            values_are_not_in_errors;
    }
    #[cfg(unix)]
    tests! {
        server_token:
            a_token_file_is_read_again,
            a_renewable_token_is_renewed_before_it_ends,
            a_token_is_renewed_where_nothing_else_is_changed,
            a_token_that_takes_the_place_of_another_is_looked_up_too,
            the_end_of_a_token_that_cannot_be_renewed_is_told,
            a_token_that_may_not_look_itself_up_still_works,
            nothing_is_asked_about_a_token_unless_it_is_to_be_renewed;
        session:
            a_command_is_given_the_token_and_the_token_ends_with_it,
            a_session_that_ends_well_ends_with_0,
            a_signal_to_the_session_ends_command_and_token,
            a_terminal_that_is_gone_does_not_keep_the_token,
            a_signal_to_the_command_ends_the_token,
            a_command_that_cannot_be_started_ends_the_token,
            a_root_token_is_refused_unless_it_is_asked_for,
            a_token_that_vault_does_not_know_starts_nothing,
            a_token_of_your_own_is_never_taken,
            a_token_that_could_not_be_revoked_is_told,
            a_token_that_is_gone_already_is_as_good_as_revoked;
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(world) = world.and_then(Arc::into_inner) {
        runtime.block_on(world.stop());
    }
    conclusion.exit_code()
}
