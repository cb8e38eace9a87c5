// SPDX-License-Identifier: Apache-2.0
import type { NodeSchema } from "@ambientmesh/api/discovery";
import type { MessageInitShape } from "@bufbuild/protobuf";

/** Who a client is: a node message or its fields. */
export type NodeInit = MessageInitShape<typeof NodeSchema>;
