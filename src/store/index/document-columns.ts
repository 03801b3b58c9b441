import type { ImageConfig, ImageIndex, ImageManifest, Stored } from '../../oci/manifest.js';
import { OCI_CONFIG_MEDIA_TYPE, OCI_INDEX_MEDIA_TYPE, OCI_MANIFEST_MEDIA_TYPE } from '../../oci/media-type.js';
import type { Value } from './database.js';

/** Values by column. */
export type Columns = Readonly<Record<string, Value>>;

/** `schemaVersion` of the documents that are accepted at all (registry R102). */
const SCHEMA_VERSION = 2;

/** @param platform `os/arch[/variant]` that was chosen */
export function indexColumns(index: Stored<ImageIndex>, platform: string): Columns {
  const [os, architecture, variant] = platform.split('/');
  return {
    schema_version: SCHEMA_VERSION,
    media_type: index.mediaType || OCI_INDEX_MEDIA_TYPE,
    platform_os: orNull(os),
    platform_arch: orNull(architecture),
    platform_variant: orNull(variant),
    annotations_json: toJson(index.value.annotations),
    digest: index.digest,
  };
}

export function manifestColumns(manifest: Stored<ImageManifest>): Columns {
  return {
    schema_version: SCHEMA_VERSION,
    media_type: manifest.mediaType || OCI_MANIFEST_MEDIA_TYPE,
    annotations_json: toJson(manifest.value.annotations),
    digest: manifest.digest,
    body: toBlob(manifest.bytes),
  };
}

/** The columns in which the seed looks for what a sandbox needs (compat I10, I11). */
export function configColumns(stored: Stored<ImageConfig>): Columns {
  const { value } = stored;
  const { config } = value;
  return {
    media_type: stored.mediaType || OCI_CONFIG_MEDIA_TYPE,
    created: readableTime(value.created),
    architecture: value.architecture,
    os: value.os,
    os_variant: orNull(value.osVersion),
    config_env_json: toJson(config.env),
    config_cmd_json: toJson(config.cmd),
    config_working_dir: orNull(config.workingDir),
    config_entrypoint_json: toJson(config.entrypoint),
    config_volumes_json: toJson(config.volumes),
    config_exposed_ports_json: toJson(config.exposedPorts),
    config_user: orNull(config.user),
    rootfs_type: value.rootfsType,
    rootfs_diff_ids_json: toJson(value.diffIds),
    history_json: toJson(value.history),
    digest: stored.digest,
    body: toBlob(stored.bytes),
  };
}

function orNull(text: string | undefined): string | null {
  return text === undefined || text === '' ? null : text;
}

/** SQL NULL for what is absent, never the text `null`. */
function toJson(value: unknown): string | null {
  return value === undefined || value === null ? null : JSON.stringify(value);
}

function toBlob(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const RFC_3339 = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/;

/** The seed's reader ends the program at a time it cannot read, so a day that no calendar has is left out too. */
function readableTime(text: string | undefined): string | null {
  const [, date, time, , zone] = RFC_3339.exec(text ?? '') ?? [];
  if (text === undefined || date === undefined || time === undefined || zone === undefined) return null;
  const local = new Date(`${date}T${time}Z`);
  const isReal = !Number.isNaN(local.getTime()) && local.toISOString().startsWith(`${date}T${time}`);
  return isReal && !Number.isNaN(Date.parse(`${date}T${time}${zone.toUpperCase()}`)) ? text : null;
}
