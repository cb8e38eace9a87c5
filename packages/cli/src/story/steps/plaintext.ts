// SPDX-License-Identifier: Apache-2.0
import { PORTS } from "@ambientmesh/api";
import { CUSTOMER, curl, secretPath } from "../people.ts";
import { expectThat, type Chapter } from "../step.ts";
import { Capture } from "../witness/capture.ts";

export const plaintext: Chapter = {
  name: "an unlabelled namespace: traffic between the nodes is plaintext",
  async tell({ mesh }) {
    const path = secretPath();
    const capture = await Capture.start(mesh);
    const answer = await curl(mesh, CUSTOMER, `http://storefront${path}`);
    const seen = await capture.stop();
    expectThat(answer.code === 0, `the customer's request failed: curl exit ${answer.code}, ${answer.stderr}`);
    const count = seen.occurrences(path);
    expectThat(count > 0, `"${path}" was not seen on the link in ${seen.segments.length} segments`);
    const tunnelled = seen.firstPayloads(PORTS.HBONE).length;
    expectThat(tunnelled === 0, `bytes went to port 15008 although nothing is in the mesh`);
    return `${seen.witness} on the link read "GET ${path}" in clear in ${count} segment(s); nothing went to port 15008`;
  },
};
