// How a study hangs in its application's layout, with the marks of our report on every picture.
// Comes before OHIF's configuration where the study has a layout.
const granskHanging = (() => {
  // {layout: rows of roles, labels: roles by SOP Instance UID of the analysed images}
  const hung = __HANGING__;
  const MARK = 'rgb(255, 196, 0)';
  const TOOL = 'GranskMarks';
  const marks = { byImage: {}, shown: true };

  // The place of an image: as the analysis called it; by side and view where there is none.
  function role(displaySet) {
    const image = displaySet?.images?.[0] ?? displaySet?.instances?.[0];
    if (!image) return undefined;
    if (Object.keys(hung.labels).length) return hung.labels[image.SOPInstanceUID];
    return `${image.ImageLaterality ?? image.Laterality} ${image.ViewPosition}`;
  }

  // Each picture stands against the middle of the screen, so that breasts hang back to back.
  function viewport(role, left) {
    const side = [left ? 1 : 0, 0.5];
    return {
      viewportOptions: {
        viewportType: 'stack',
        toolGroupId: 'default',
        allowUnmatchedView: true,
        displayArea: {
          storeAsInitialCamera: true,
          imageArea: [1, 1],
          imageCanvasPoint: { imagePoint: side, canvasPoint: side },
        },
      },
      displaySets: [{ id: role }],
    };
  }

  function stage(name, rows) {
    const columns = Math.max(...rows.map(row => row.length));
    return {
      name,
      viewportStructure: { layoutType: 'grid', properties: { rows: rows.length, columns } },
      viewports: rows.flatMap(row => row.map((role, at) => viewport(role, at < row.length / 2))),
    };
  }

  // All pictures first; then, by the key for the next stage, one row at a time.
  function protocol() {
    const { layout } = hung;
    const rule = role => ({
      attribute: 'granskRole',
      constraint: { equals: { value: role } },
      required: true,
      weight: 10,
    });
    const rows = layout.length > 1 ? layout.map(row => stage(row.join(' / '), [row])) : [];
    return {
      id: 'gransk',
      name: 'Gransk',
      locked: true,
      protocolMatchingRules: [],
      toolGroupIds: ['default'],
      numberOfPriorsReferenced: 0,
      displaySetSelectors: Object.fromEntries(
        layout.flat().map(role => [role, { seriesMatchingRules: [rule(role)] }])
      ),
      stages: [stage('Gransk', layout), ...rows],
    };
  }

  const made = report => `${report.instance.ContentDate}${report.instance.ContentTime}`;

  // Outlines of our newest report, by SOP Instance UID. OHIF itself paints a report's marks one
  // at a time, in a viewport of the report.
  async function readMarks(displaySetService) {
    const report = displaySetService
      .getActiveDisplaySets()
      .filter(one => one.Modality === 'SR' && one.instance?.Manufacturer === 'Gransk')
      .sort((a, b) => made(a).localeCompare(made(b)))
      .pop();
    if (!report || report.displaySetInstanceUID === marks.from) return;
    marks.from = report.displaySetInstanceUID;
    if (!report.isLoaded) await report.load();
    marks.byImage = {};
    for (const one of report.measurements) {
      for (const { GraphicData, ReferencedSOPSequence } of one.coords) {
        const points = [];
        for (let n = 0; n + 1 < GraphicData.length; n += 2) {
          points.push([Number(GraphicData[n]), Number(GraphicData[n + 1])]);
        }
        const name = one.TrackingIdentifier;
        const mark = { id: one.TrackingUniqueIdentifier, name: /\d+$/.exec(name)?.[0] ?? name, points };
        (marks.byImage[ReferencedSOPSequence.ReferencedSOPInstanceUID] ??= []).push(mark);
      }
    }
  }

  function drawMark(tools, svg, viewport, image, mark) {
    // DICOM counts from the corner of the first pixel, Cornerstone from its middle.
    const places = mark.points.map(([column, row]) =>
      viewport.worldToCanvas(cornerstone.utilities.imageToWorldCoords(image, [column - 0.5, row - 0.5]))
    );
    tools.drawing.drawPolyline(svg, mark.id, 'outline', places, { color: MARK, width: 2 });
    const right = Math.max(...places.map(([x]) => x));
    const top = Math.min(...places.map(([, y]) => y));
    tools.drawing.drawTextBox(svg, mark.id, 'name', [mark.name], [right, top], {
      color: MARK, fontSize: '18px', padding: 3,
    });
  }

  // Which view it is, at the side away from the middle.
  function drawRole(tools, svg, viewport, role) {
    const { clientWidth: width, clientHeight: height } = viewport.canvas;
    const row = hung.layout.find(row => row.includes(role));
    const left = row.indexOf(role) < row.length / 2;
    tools.drawing.drawTextBox(svg, 'gransk-role', role, [role], [left ? 10 : width - 76, height / 2], {
      color: 'rgb(230, 236, 242)', fontSize: '18px', padding: 3,
    });
  }

  function addTool(toolGroup, tools) {
    if (!toolGroup || toolGroup.hasTool(TOOL)) return;
    class GranskMarks extends tools.AnnotationDisplayTool {
      static toolName = TOOL;
      renderAnnotation({ viewport }, svg) {
        const image = viewport.getCurrentImageId?.();
        if (!image) return false;
        const instance = cornerstone.metaData.get('instance', image);
        const name = role({ images: [instance] });
        if (hung.layout.flat().includes(name)) drawRole(tools, svg, viewport, name);
        const here = marks.shown ? marks.byImage[instance?.SOPInstanceUID] ?? [] : [];
        here.forEach(mark => drawMark(tools, svg, viewport, image, mark));
        return true;
      }
    }
    try {
      tools.addTool(GranskMarks);
    } catch (error) {
      console.debug('known already', error);
    }
    toolGroup.addTool(TOOL);
    toolGroup.setToolEnabled(TOOL);
  }

  function redraw() {
    for (const { viewport } of cornerstone.getEnabledElements()) {
      cornerstoneTools.utilities.triggerAnnotationRender(viewport.element);
    }
  }

  const extension = {
    id: 'gransk.hanging',
    preRegistration: ({ servicesManager }) => {
      const { hangingProtocolService } = servicesManager.services;
      hangingProtocolService.addCustomAttribute('granskRole', 'Place in the layout', role);
    },
    getHangingProtocolModule: () => [{ name: 'gransk', protocol: protocol() }],
    getCommandsModule: () => ({
      definitions: {
        granskMarks: () => {
          marks.shown = !marks.shown;
          redraw();
        },
      },
      defaultContext: 'DEFAULT',
    }),
    onModeEnter: ({ servicesManager }) => {
      const { displaySetService, toolGroupService, viewportGridService } = servicesManager.services;
      const paint = async () => {
        addTool(toolGroupService.getToolGroup('default'), cornerstoneTools);
        await readMarks(displaySetService);
        redraw();
      };
      viewportGridService.subscribe(viewportGridService.EVENTS.VIEWPORTS_READY, paint);
      displaySetService.subscribe(displaySetService.EVENTS.DISPLAY_SETS_ADDED, paint);
    },
  };

  // OHIF takes the hanging protocol from the address.
  const address = new URL(window.location.href);
  if (!address.searchParams.has('hangingProtocolId')) {
    address.searchParams.set('hangingProtocolId', 'gransk');
    window.history.replaceState(null, '', address);
  }

  const key = { commandName: 'granskMarks', label: __OUTLINES__, keys: ['o'] };
  return {
    extensions: [extension],
    customizations: [{ 'ohif.hotkeyBindings': { $push: [key] } }],
  };
})();
