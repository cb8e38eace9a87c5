// SPDX-License-Identifier: Apache-2.0
import { type FractionalPercent, FractionalPercent_DenominatorType } from "@ambientmesh/api/envoy/type";

/** Says yes for a share of all calls; `random` is in [0, 1). */
export type FractionTest = (random: number) => boolean;

/** An absent percentage never says yes. */
export function compileFraction(percent: FractionalPercent | undefined): FractionTest {
  const share = shareOf(percent);
  return (random) => random < share;
}

function shareOf(percent: FractionalPercent | undefined): number {
  if (!percent) return 0;
  switch (percent.denominator) {
    case FractionalPercent_DenominatorType.TEN_THOUSAND:
      return percent.numerator / 10_000;
    case FractionalPercent_DenominatorType.MILLION:
      return percent.numerator / 1_000_000;
    default:
      return percent.numerator / 100;
  }
}
