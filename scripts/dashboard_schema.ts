// A dashboard of ours by Grafana's own types. Types alone: nothing here is run.
//
// They are those of Grafana's code; a file of JSON differs from it in two ways. What is an enum
// there is a string here, and of a panel's options and field settings, which have defaults, any may be left out.

import type * as grafana from "@grafana/schema";
import type * as barGauge from "@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen";
import type * as heatmap from "@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen";
import type * as stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as stateTimeline from "@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen";
import type * as statusHistory from "@grafana/schema/dist/esm/raw/composable/statushistory/panelcfg/x/StatusHistoryPanelCfg_types.gen";
import type * as table from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type * as timeSeries from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";
// Queries belong to the data sources' plugins and are not in @grafana/schema.
import type { Dataquery } from "@grafana/grafana-foundation-sdk/prometheus";

type Plain = number | boolean | null | undefined;
type Json<T> = T extends string ? `${T}` : T extends Plain ? T : { [K in keyof T]: Json<T[K]> };
type Some<T> = T extends string ? `${T}` : T extends Plain ? T : { [K in keyof T]?: Some<T[K]> };

type FieldConfig<Custom> = Json<Omit<grafana.FieldConfig, "custom">> & { custom?: Some<Custom> };

interface Shown<Type extends string, Options, Custom = never> {
  type: Type;
  options: Some<Options>;
  fieldConfig: { defaults: FieldConfig<Custom>; overrides: never[] };
  targets: Json<Omit<Dataquery, "_implementsDataqueryVariant">>[];
}

type Around = Json<Omit<grafana.Panel, keyof Shown<"", unknown>>>;

type Panel = Around &
  (
    | Shown<"bargauge", barGauge.Options>
    | Shown<"heatmap", heatmap.Options, heatmap.FieldConfig>
    | Shown<"stat", stat.Options>
    | Shown<"state-timeline", stateTimeline.Options, stateTimeline.FieldConfig>
    | Shown<"status-history", statusHistory.Options, statusHistory.FieldConfig>
    | Shown<"table", table.Options, table.FieldConfig>
    | Shown<"timeseries", timeSeries.Options, timeSeries.FieldConfig>
  );

type Row = Json<Omit<grafana.RowPanel, "panels">> & { panels: Panel[] };

export type Dashboard = Json<Omit<grafana.Dashboard, "panels">> & { panels: (Panel | Row)[] };
