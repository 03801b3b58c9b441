export {
  Sluice,
  type ImageQuery,
  type LeaseOptions,
  type RemoveOptions,
  type RootfsOptions,
  type SidecarOptions,
} from './sluice.js';
export type { Lease } from './upkeep/lease.js';
export type { Verified, VerifyProblem } from './upkeep/verify.js';
export type { CheckedLayer, LayerProblem } from './transfer/check-task.js';
export type { Rootfs } from './rootfs/make-rootfs.js';
export { readRootfsFile } from './rootfs/read-file.js';
export { doctor, type MachineProblem, type MachineReport } from './doctor.js';
export { login, logout, type Login, type LoginOptions, type LogoutOptions } from './login.js';
export { ERRORS, SluiceError, type ErrorCode, type ErrorData, type ErrorDetail, type ErrorRow } from './errors.js';
export type { EventListener, LayerName, MissReason, SluiceEvent, WarningPlace } from './events.js';
export type { Span, SpanName } from './spans.js';
export type { OpenOptions, Policy, PruneOptions, PullOptions, VerifyOptions } from './options.js';
export type { Credentials, CredentialsFunction } from './source/registry/credentials/credential.js';
export type { Digest } from './oci/digest.js';
export type { ImageConfig } from './oci/manifest.js';
export type { Pruned, PrunedLayer } from './store/prune/prune.js';
export type { ImageSummary, PulledImage, RecordedLayer, StoredImage, StoredLayer } from './store/types.js';
export {
  parseSource,
  type OciLayoutReference,
  type Reference,
  type ReferenceOptions,
  type RegistryReference,
} from './oci/reference.js';
export type { Budget, DecoderName, Pipeline, StatFormat } from './transfer/protocol.js';
